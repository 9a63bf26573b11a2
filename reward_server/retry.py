"""Decides whether a failed attempt to reach COMPASS is repeated, and after which wait. Pure: time and the random draw
come in."""

from collections.abc import Sequence
from dataclasses import dataclass

from oars.compass.outcome import FailureReason
from oars.config import RewardClientConfig

# Short beside a replica's own start-up, so that a service that is back is noticed soon.
MAX_WAIT_S = 5.0


@dataclass(frozen=True)
class Retry:
    """Send the request again, as the next attempt, after a wait."""

    wait_s: float


@dataclass(frozen=True)
class GiveUp:
    """Every candidate fails with this reason."""

    reason: FailureReason


def after_failure(
    failures: Sequence[FailureReason], elapsed_s: float, config: RewardClientConfig, draw: float
) -> Retry | GiveUp:
    """Decide after the attempts so far failed with `failures`, `elapsed_s` after the first one began.

    An attempt that ran into its deadline cost the service work, so these are counted; an absent service costs nothing,
    so it is waited for. The wait doubles up to MAX_WAIT_S; `draw` in [0, 1) takes off up to half of it, so that callers
    that failed together do not come back together.
    """
    reason = failures[-1]
    late = reason is FailureReason.DEADLINE
    if failures.count(FailureReason.DEADLINE) >= config.attempts or (not late and elapsed_s >= config.patience_s):
        return GiveUp(reason)
    return Retry(min(MAX_WAIT_S, config.backoff_s * 2.0 ** min(len(failures) - 1, 32)) * (1.0 - 0.5 * draw))
