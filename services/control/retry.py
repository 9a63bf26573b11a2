"""Decides whether a failed attempt of a group is repeated, and after which wait. Pure: the random draw is an
argument."""

from dataclasses import dataclass

from oars.alignment.drops import DropReason


@dataclass(frozen=True)
class Retry:
    """Try again under the next attempt number, after a wait."""

    delay_s: float


@dataclass(frozen=True)
class GiveUp:
    """The attempts are used up: drop the group."""

    reason: DropReason


def backoff(attempt: int, base_s: float, cap_s: float, draw: float) -> float:
    """Wait after failed attempt number `attempt` (from 0): doubles up to `cap_s`.

    `draw` in [0, 1) takes off up to half, which keeps groups that failed together from coming back together.
    """
    return float(min(cap_s, base_s * 2.0 ** min(attempt, 32)) * (1.0 - 0.5 * draw))


def after_failure(attempt: int, attempts: int, timed_out: bool, draw: float) -> Retry | GiveUp:
    """Decide after attempt number `attempt` (from 0) of `attempts` has failed."""
    if attempt + 1 >= attempts:
        return GiveUp(DropReason.DEADLINE if timed_out else DropReason.FAILED)
    # A restarted actor answers after about 2 s; 1 s doubling to 10 s bridges that without hiding an outage.
    return Retry(backoff(attempt, base_s=1.0, cap_s=10.0, draw=draw))
