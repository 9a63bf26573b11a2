"""Accounts for a run's time: seconds by phase (rollout, score, train, publish, learner_idle) and by stage."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from oars.alignment.stage import RL_STAGES


class Clocks:
    """Added up over all drivers of the run."""

    def __init__(self, now: Callable[[], float], before: Mapping[str, float]) -> None:
        """`before` is what `seconds` of the drivers before this one came to."""
        self._now, self._lap = now, now()
        self._seconds = defaultdict(float, before)

    def __getitem__(self, name: str) -> float:
        return self._seconds[name]

    def add(self, name: str, seconds: float) -> None:
        self._seconds[name] += seconds

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        start = self._now()
        try:
            yield
        finally:
            self.add(phase, self._now() - start)

    def lap(self, stage: str) -> None:
        """The time since the last lap belongs to this stage."""
        now = self._now()
        self.add(stage, now - self._lap)
        self._lap = now

    @property
    def rl(self) -> float:
        """Wall-clock seconds of the RL stages."""
        return sum(self[stage.name] for stage in RL_STAGES)

    def seconds(self) -> dict[str, float]:
        return dict(self._seconds)
