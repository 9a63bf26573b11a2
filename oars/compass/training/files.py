"""The folder that a judge's training writes: what lies where, and what is needed to go on.

config.yaml     the resolved config        examples/    packed pictures and labels, of train and validation
prepared/       the miniature before fine-tuning, if it was made        preparation.pt   while it is being made
checkpoints/step_N/      judge/    the best judge so far, in plain transformers format        training.json
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from oars.config.judge_training import JudgeTrainingConfig
from oars.miniature import resolve_model

SCRATCH = "scratch"


def check_start(config: JudgeTrainingConfig) -> None:
    """The judge that fine-tuning starts from, there and whole; a new one is yet to be made. Raises MissingModel."""
    if config.init != SCRATCH:
        resolve_model(config.init, "judge")


@dataclass(frozen=True)
class JudgeFiles:
    """Paths under `work`, of a training on the data set `data`."""

    work: Path
    data: Path

    @property
    def train(self) -> Path:
        return self.work / "examples" / "train"

    @property
    def validation(self) -> Path:
        return self.work / "examples" / "validation"

    @property
    def prepared(self) -> Path:
        return self.work / "prepared"

    @property
    def checkpoints(self) -> Path:
        return self.work / "checkpoints"

    @property
    def judge(self) -> Path:
        return self.work / "judge"

    def start(self, config: JudgeTrainingConfig) -> Path:
        """The directory that fine-tuning starts from. Raises MissingModel naming it."""
        return resolve_model(str(self.prepared) if config.init == SCRATCH else config.init, "judge")

    def newest_checkpoint(self) -> Path | None:
        """Whole ones only: they take their names when they are."""
        found = {int(path.name.removeprefix("step_")): path for path in self.checkpoints.glob("step_*")}
        return found[max(found)] if found else None

    def drop_checkpoints_before(self, step: int) -> None:
        for path in self.checkpoints.glob("step_*"):
            if int(path.name.removeprefix("step_")) < step:
                shutil.rmtree(path)
