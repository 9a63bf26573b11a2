"""When a failed attempt to reach COMPASS is repeated, and after which wait. Pure: the random draw is an argument."""

from dataclasses import dataclass

from oars.compass.outcome import FailureReason

# Kept short of a replica's own start-up, so that a service that is back is noticed within this time.
MAX_WAIT_S = 10.0


@dataclass(frozen=True)
class Retry:
    """Send the request again, as the next attempt, after a wait."""

    wait_s: float


@dataclass(frozen=True)
class GiveUp:
    """Every candidate fails with this reason."""

    reason: FailureReason


def after_failure(reason: FailureReason, attempt: int, attempts: int, backoff_s: float, draw: float) -> Retry | GiveUp:
    """What to do when attempt number `attempt` (from 0) of `attempts` failed for `reason`.

    The wait doubles from `backoff_s` up to MAX_WAIT_S; `draw` in [0, 1) takes off up to half of it, so that callers
    that failed together do not come back together.
    """
    if attempt + 1 >= attempts:
        return GiveUp(reason)
    return Retry(min(MAX_WAIT_S, backoff_s * 2.0 ** min(attempt, 32)) * (1.0 - 0.5 * draw))
