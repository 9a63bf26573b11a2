"""Limits the groups that wait for a score: back-pressure from COMPASS to admission, as a pure AIMD controller.

The limit starts at `start` and grows by one with each good answer up to a threshold (none before the first congestion),
which doubles it each round trip, and beyond it by a fixed step each round trip. An answer is strained if its request
had to be repeated, found nobody, or took longer than `slow_s`; one alone means nothing, because service times have
tails and replicas die. When about half of the recent answers are strained, or none comes at all, the limit shrinks by a
factor, which is the new threshold; further decreases before a good answer are the same outage and leave the threshold,
so that what an outage took comes back as fast as it went. Invariants: the limit is at least `least`; what was asked
before the last decrease decreases nothing, since one congestion is one decrease; growth needs an answer to what was
asked since, while the limit is what holds groups back, so stale or absent measurements freeze it.
The clock is an argument.
"""

import math
from dataclasses import dataclass, field

# TCP halves; a judge's queue is deep and its answers are slow, so half of it each time would overshoot.
SHRINK = 0.7
# Weight of the newest answer: some eight answers decide, of which about half must be strained.
_WEIGHT = 1 / 8
_STRAINED = 0.5
# Step of the additive increase, as a share of `start`: groups take minutes, so one group a round trip would take hours.
_STEP = 1 / 16


@dataclass
class Concurrency:
    """`slow_s`: an answer that took longer is strained."""

    start: float
    slow_s: float
    least: int = 1
    limit: float = field(init=False)
    _strain: float = field(init=False, default=0.0)
    _decreased_at: float = field(init=False, default=-math.inf)
    _threshold: float = field(init=False, default=math.inf)
    _recovered: bool = field(init=False, default=True)
    """A good answer came since the last decrease."""

    def __post_init__(self) -> None:
        self.limit = self.start

    def room(self, unscored: int) -> float:
        """Groups that may still be admitted while so many have no score yet; a fraction is none."""
        return max(0.0, self.limit - unscored)

    def answered(self, asked: float, now: float, unscored: int, repeated: bool) -> None:
        """A request of time `asked` got its answer now, with `unscored` groups still without one, itself included.
        `repeated`: it took more than one attempt, or no service answered."""
        if asked <= self._decreased_at:
            return
        strained = repeated or now - asked > self.slow_s
        self._strain += _WEIGHT * (strained - self._strain)
        self._recovered |= not strained
        if self._strain > _STRAINED:
            self._decrease(now, unscored)
        elif not strained and unscored > self.limit - 1:
            # As TCP's slow start and congestion avoidance.
            step = math.inf if self.limit < self._threshold else max(1.0, _STEP * self.start)
            self.limit += min(1.0, step / self.limit)

    def unanswered(self, since: float, now: float, unscored: int) -> None:
        """Requests have been waiting since then, and nothing comes back."""
        if since > self._decreased_at and now - since > self.slow_s:
            self._decrease(now, unscored)

    def _decrease(self, now: float, unscored: int) -> None:
        # From what really was under way: a limit far above it would take many decreases to be felt.
        self.limit = max(self.least, SHRINK * min(self.limit, max(unscored, 1)))
        if self._recovered:
            self._threshold = self.limit
        self._strain, self._decreased_at, self._recovered = 0.0, now, False
