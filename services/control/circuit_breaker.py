"""The circuit breaker on failed scores: too many failures pause the run, and stop it if the pause did not help.

    closed --rate above limit--> open --pause over--> half-open --rate fine--> closed
                                                          `---rate above limit--> stopped
A pure state machine: the clock is an argument. While it is open nothing is admitted; groups in flight go on and their
outcomes are not counted, because they were sent before the pause. Half-open starts from an empty window.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum

from oars.compass.outcome import CandidateOutcome, Failed

# Fewer outcomes than this decide nothing: one failed group of 24 must be able to, one candidate must not.
MIN_OUTCOMES = 16


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    STOPPED = "stopped"


class RewardsFailing(RuntimeError):
    """The run was stopped because too many candidates had no score."""


@dataclass
class CircuitBreaker:
    """`limit` is the greatest tolerated share of failures among the last `window` outcomes."""

    limit: float
    window: int
    pause_s: float
    state: BreakerState = BreakerState.CLOSED
    _failures: deque[str | None] = field(init=False)
    _paused_at: float = 0.0

    def __post_init__(self) -> None:
        self._failures = deque(maxlen=self.window)

    def record(self, outcomes: list[CandidateOutcome], now: float) -> BreakerState:
        """Take in one group's outcomes and decide."""
        self.tick(now)
        if self.state not in (BreakerState.CLOSED, BreakerState.HALF_OPEN):
            return self.state
        self._failures.extend(str(o.reason) if isinstance(o, Failed) else None for o in outcomes)
        if len(self._failures) >= min(MIN_OUTCOMES, self.window):
            self._decide(now)
        return self.state

    def tick(self, now: float) -> BreakerState:
        """Half-open once the pause is over."""
        if self.state is BreakerState.OPEN and now - self._paused_at >= self.pause_s:
            self.state = BreakerState.HALF_OPEN
            self._failures.clear()
        return self.state

    @property
    def failure_rate(self) -> float:
        """Share of failures in the window; 0 while it is empty."""
        return sum(f is not None for f in self._failures) / len(self._failures) if self._failures else 0.0

    @property
    def reason(self) -> str:
        """One line: the rate, and the failures by kind, the most frequent first."""
        kinds = Counter(f for f in self._failures if f is not None)
        listed = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        return f"{self.failure_rate:.0%} of the last {len(self._failures)} candidates have no score ({listed})"

    def _decide(self, now: float) -> None:
        if self.failure_rate <= self.limit:
            self.state = BreakerState.CLOSED
        elif self.state is BreakerState.HALF_OPEN:
            self.state = BreakerState.STOPPED
        else:
            self.state, self._paused_at = BreakerState.OPEN, now
