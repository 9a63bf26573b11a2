"""What every part of one run shares: its config, its records, its clocks. Built once by `services/align.py`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from oars.config import RunConfig
from services.ledger import Ledger
from services.progress import Progress
from services.stopping import StopRequest
from services.summary import Stage
from services.telemetry import Telemetry
from services.watchdog import RunStalled, Watchdog

T = TypeVar("T")


@dataclass
class Clocks:
    """Seconds by phase, summed over the run."""

    now: Callable[[], float]
    rollout: float = 0.0
    score: float = 0.0
    train: float = 0.0
    publish: float = 0.0
    learner_idle: float = 0.0
    rl: float = 0.0
    """Wall-clock seconds of the RL stages."""

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        start = self.now()
        try:
            yield
        finally:
            setattr(self, phase, getattr(self, phase) + self.now() - start)


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
    provenance: dict[str, str] = field(default_factory=dict)
    """Of the scores: judge digest, prompt version."""
    started: float = field(default_factory=time.time)
    """Unix time."""
    versions_published: int = 0

    def __post_init__(self) -> None:
        self.clocks = Clocks(self.now)

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
