"""Bounded retries: the two decisions, and the wait between attempts. Pure: the random draw comes in."""

from dataclasses import dataclass
from typing import Generic, TypeVar

ReasonT = TypeVar("ReasonT")


@dataclass(frozen=True)
class Retry:
    """Try again, as the next attempt, after a wait."""

    wait_s: float


@dataclass(frozen=True)
class GiveUp(Generic[ReasonT]):
    """Make no further attempt."""

    reason: ReasonT


def backoff(failures: int, base_s: float, cap_s: float, draw: float) -> float:
    """Seconds to wait after the `failures`-th failure (from 1): `base_s`, doubled each time up to `cap_s`.

    `draw` in [0, 1) takes off up to half, so that callers that failed together do not come back together.
    """
    return float(min(cap_s, base_s * 2.0 ** min(failures - 1, 32)) * (1.0 - 0.5 * draw))
