"""The failure-rate brake: too many candidates without a score pause the run, and stop it if the pause did not help.

    running --rate above limit--> paused --pause over--> probing --rate fine--> running
                                                            `-----rate above limit--> stopped
A pure state machine: the clock is an argument. While paused nothing is admitted; groups in flight go on and their
outcomes are not counted, because they were sent before the pause. Probing starts from an empty window.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum

from oars.compass.outcome import CandidateOutcome, Failed

# Fewer outcomes than this decide nothing: one failed group of 24 must be able to, one candidate must not.
MIN_OUTCOMES = 16


class BrakeState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    PROBING = "probing"
    STOPPED = "stopped"


class RewardsFailing(RuntimeError):
    """The run was stopped because too many candidates had no score."""


@dataclass
class Brake:
    """`limit` is the greatest tolerated share of failures among the last `window` outcomes."""

    limit: float
    window: int
    pause_s: float
    state: BrakeState = BrakeState.RUNNING
    _failures: deque[str | None] = field(init=False)
    _paused_at: float = 0.0

    def __post_init__(self) -> None:
        self._failures = deque(maxlen=self.window)

    def record(self, outcomes: list[CandidateOutcome], now: float) -> BrakeState:
        """Take in one group's outcomes and decide."""
        self.tick(now)
        if self.state not in (BrakeState.RUNNING, BrakeState.PROBING):
            return self.state
        self._failures.extend(str(o.reason) if isinstance(o, Failed) else None for o in outcomes)
        if len(self._failures) >= min(MIN_OUTCOMES, self.window):
            self._decide(now)
        return self.state

    def tick(self, now: float) -> BrakeState:
        """Let a pause that is over turn into probing."""
        if self.state is BrakeState.PAUSED and now - self._paused_at >= self.pause_s:
            self.state = BrakeState.PROBING
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
            self.state = BrakeState.RUNNING
        elif self.state is BrakeState.PROBING:
            self.state = BrakeState.STOPPED
        else:
            self.state, self._paused_at = BrakeState.PAUSED, now
