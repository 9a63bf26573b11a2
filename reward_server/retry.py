"""Decides whether a failed attempt to reach COMPASS is repeated, and after which wait. Pure: time and the random draw
come in."""

from collections.abc import Sequence

from oars.compass.outcome import FailureReason
from oars.config import RewardClientConfig
from oars.retry import GiveUp, Retry, backoff

# Short beside a replica's own start-up, so that a service that is back is noticed soon.
MAX_WAIT_S = 5.0


def after_failure(
    failures: Sequence[FailureReason], elapsed_s: float, config: RewardClientConfig, draw: float
) -> Retry | GiveUp[FailureReason]:
    """Decide after the attempts so far failed with `failures`, `elapsed_s` after the first one began.

    An attempt that ran into its deadline cost the service work, so these are counted; an absent service costs nothing,
    so it is waited for. The reason to give up is that of the last failure, and fails every candidate.
    """
    reason = failures[-1]
    late = reason is FailureReason.DEADLINE
    if failures.count(FailureReason.DEADLINE) >= config.attempts or (not late and elapsed_s >= config.patience_s):
        return GiveUp(reason)
    return Retry(backoff(len(failures), config.backoff_s, MAX_WAIT_S, draw))
