"""The parts that every role of one run shares: config, records, clocks. Built once by `services/align.py`."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from oars.config import RunConfig
from oars.report.summary import Stage
from services.run.checkpoints import Checkpoints
from services.run.ledger import Ledger
from services.run.progress import Progress
from services.run.stopping import StopRequest
from services.run.telemetry import Telemetry
from services.run.watchdog import RunStalled, Watchdog

T = TypeVar("T")


class Clocks:
    """Seconds by phase (rollout, score, train, publish, learner_idle) and by stage, over all drivers of the run."""

    def __init__(self, now: Callable[[], float], before: dict[str, float]) -> None:
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
        """Add the time since the last lap to this stage."""
        now = self._now()
        self.add(stage, now - self._lap)
        self._lap = now

    @property
    def rl(self) -> float:
        """Wall-clock seconds of the RL stages."""
        return self["fr_rl"] + self["nr_rl"]

    def seconds(self) -> dict[str, float]:
        return dict(self._seconds)


@dataclass
class Run:
    """One alignment run."""

    id: str
    directory: Path
    config: RunConfig
    ledger: Ledger
    telemetry: Telemetry
    watchdog: Watchdog
    stop: StopRequest
    progress: Progress
    now: Callable[[], float] = time.monotonic
    """The clock of every decision: monotonic seconds, the same as the event loop's."""
    clocks: Clocks = field(init=False)
    stages: list[Stage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clocks = Clocks(self.now, self.ledger.clocks())

    @property
    def sft(self) -> Path:
        """The SFT weights, there once the cold start is done."""
        return self.directory / "sft"

    @property
    def rl_weights(self) -> Path | None:
        """Weights under RL's LoRA; None: the base."""
        return self.sft if self.config.stages.rl_on == "sft" else None

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.directory / "checkpoints", self.config.control.keep_checkpoints)

    async def wait(self, who: str, what: str, answer: Awaitable[T], deadline_s: float) -> T:
        """Await with a name and a deadline. Raises RunStalled when it passes."""
        with self.watchdog.waiting(who, what):
            try:
                async with asyncio.timeout(deadline_s):
                    result = await answer
            except TimeoutError as error:
                raise RunStalled(f"{who} waited for {what} longer than {deadline_s:.0f} s") from error
        self.watchdog.beat()
        return result
