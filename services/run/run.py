"""One alignment run, as its driver holds it. The driver makes it; `services/align.py` hands each role its parts."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from oars.config import JudgeConfig, RunConfig
from oars.evaluation.refreshed import Refreshed
from oars.report.summary import Stage
from services.run.checkpoints import Checkpoints
from services.run.clocks import Clocks
from services.run.ledger import Ledger
from services.run.looks import Looks
from services.run.progress import Progress
from services.run.refreshed import judge_of, read_refreshed
from services.run.stopping import StopRequest
from services.run.telemetry import Telemetry
from services.run.watchdog import Watchdog


@dataclass
class Run:
    """Config, records and clocks of one run."""

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
        """The weights under RL's LoRA; None: the base."""
        return self.sft if self.config.stages.rl_on == "sft" else None

    @property
    def refreshed(self) -> Refreshed | None:
        """What `stages.refresh` came to; None before it is done."""
        return read_refreshed(self.config, self.directory)

    @property
    def judge(self) -> JudgeConfig:
        """The judge that has to be served."""
        return judge_of(self.config, self.directory)

    @property
    def looks(self) -> Looks:
        return Looks(self.directory)

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.directory / "checkpoints", self.config.control.keep_checkpoints)

    def stage_ended(self, name: str, steps: int) -> None:
        """Close the stage's clock and note it for the summary."""
        self.clocks.lap(name)
        self.stages.append(Stage(name=name, steps=steps, seconds=self.clocks[name]))
