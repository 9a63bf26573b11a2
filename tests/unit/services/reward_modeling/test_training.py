"""The driver's side of a judge's training: every call of the ranks is followed by a line of progress."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learner.judge_group import JudgeGroup
from learner.judge_rank import JudgeStep
from oars.compass.data.run_pictures import PICTURES, keep_pictures, write_data_set
from oars.compass.training.files import JudgeFiles
from oars.config.judge_training import JudgeTrainingConfig
from oars.imaging.crops import Pair
from services.reward_modeling.training import train_judge
from services.run.progress import ProgressLine


class FakeRanks:
    """Two ranks whose judge puts each pair in order; notes what was asked and told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def update(self, line: ProgressLine) -> None:
        self.said.append(f"{line.stage} {line.done}/{line.total}")

    async def begin(self) -> None: ...

    async def step(self) -> JudgeStep:
        return JudgeStep(1, 0.5, 1.0, 0.1)

    async def measure(self, groups: Sequence[int]) -> list[float]:
        self.said.append(f"asked {list(groups)}")
        return [1.0] * len(groups)

    async def write(self, path: Path, beside: dict[str, str]) -> None: ...

    async def save(self, path: Path, meta: dict[str, Any]) -> None: ...

    def stop(self) -> None: ...


@pytest.fixture
def files(tmp_path: Path) -> JudgeFiles:
    """A data set that is packed: five validation groups."""
    gt = np.zeros((16, 16, 3), np.uint8)
    for name in range(3):
        keep_pictures(tmp_path / PICTURES / f"{name}.npz", Pair(f"{name}@0", gt[::4, ::4], gt), gt[None], 1)
    files = JudgeFiles(tmp_path / "work", tmp_path / "data")
    write_data_set(tmp_path, files.data)
    (files.data / "labels.json").write_text("{}")
    files.train.parent.mkdir(parents=True)
    (files.train.parent / "counts.json").write_text('{"train": 9, "validation": 5}')
    return files


def test_a_measurement_is_told_group_by_group(files: JudgeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = FakeRanks()

    async def start(config: JudgeTrainingConfig, files: JudgeFiles) -> FakeRanks:
        return ranks

    monkeypatch.setattr(JudgeGroup, "start", start)
    config = JudgeTrainingConfig.model_validate({"init": "miniature", "steps": 1, "learner": {"ranks": 2}})
    summary = asyncio.run(train_judge(config, files, ranks))
    measured = ["asked [0, 1]", "measure 2/5", "asked [2, 3]", "measure 4/5", "asked [4]", "measure 5/5"]
    assert ranks.said == [*measured, "tune 1/1", *measured]
    assert summary.start == 1.0 and [(one.step, one.accuracy) for one in summary.measurements] == [(1, 1.0)]
