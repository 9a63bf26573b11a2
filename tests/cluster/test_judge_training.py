"""The judge's training on real DeepSpeed ranks: any number of ranks alike, kill -9 and go on, every way to train."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from compass_data import write_tiny_dataset
from safetensors.torch import load_file

from oars.compass.judge import Judge
from oars.compass.judge_card import JudgeCard
from oars.compass.prompt import NEWEST
from oars.compass.training.examples import open_examples
from oars.compass.training.files import JudgeFiles
from oars.compass.training.selection import held_out_accuracy
from oars.config.judge_training import JudgeTrainingConfig
from services.reward_modeling.training import TrainingSummary, train_judge
from services.run.progress import Lines

BASE: dict[str, Any] = {
    "steps": 4,
    "evaluate_every": 2,
    "batch_groups": 4,
    "micro_batch": 2,
    "candidates": 2,
    "ladder_length": 3,
    "target": {"fidelity_ranking_weight": 1.0},
    "dtype": "float32",
    "optimiser": {"learning_rate": 1e-4, "output_learning_rate": 1e-4, "warmup": 1},
    "preparation": {"steps": 2, "fitted_groups": 8, "checkpoint_every": 1},
    "held_out_enhancers": ["method_3"],
}


def settings(**changes: object) -> JudgeTrainingConfig:
    return JudgeTrainingConfig.model_validate(BASE | changes)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    write_tiny_dataset(directory, groups=12)
    return directory


def train(config: JudgeTrainingConfig, data: Path, work: Path) -> tuple[TrainingSummary, JudgeFiles]:
    files = JudgeFiles(work, data)
    return asyncio.run(train_judge(config, files, Lines())), files


@pytest.fixture(scope="module")
def one_rank(
    ray_cluster: None, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingSummary, JudgeFiles]:
    return train(settings(), data, tmp_path_factory.mktemp("one"))


def weights(files: JudgeFiles) -> dict[str, torch.Tensor]:
    return load_file(files.judge / "model.safetensors")


def test_the_judge_that_is_kept_reads_as_it_did_in_training(one_rank: tuple[TrainingSummary, JudgeFiles]) -> None:
    """Its validation accuracy, read again from the files, is that of the best measurement."""
    summary, files = one_rank
    assert summary.best is not None and [m.step for m in summary.measurements] == [2, 4]
    judge, validation = Judge.load(files.judge, torch.float32), open_examples(files.validation)
    again = [held_out_accuracy(judge, validation, i, settings()) for i in range(len(validation))]
    assert sum(again) / len(again) == pytest.approx(summary.best.accuracy)
    card = JudgeCard.of(files.judge)
    assert card is not None and card.prompt_version == NEWEST.name
    assert (card.step, card.held_out_enhancers) == (summary.best.step, ("method_3",))
    assert card.enhancers == ("method_0", "method_1", "method_2")


@pytest.mark.parametrize("zero_stage", [0, 3])
def test_two_ranks_agree_with_one(
    one_rank: tuple[TrainingSummary, JudgeFiles], data: Path, tmp_path: Path, zero_stage: int
) -> None:
    summary, files = one_rank
    together, others = train(settings(learner={"ranks": 2, "zero_stage": zero_stage}), data, tmp_path)
    losses, alone = ([m.loss for m in one.measurements] for one in (together, summary))
    assert losses == pytest.approx(alone, rel=1e-4)
    for name, tensor in weights(others).items():
        torch.testing.assert_close(tensor.float(), weights(files)[name].float(), atol=4e-3, rtol=1e-2)


@pytest.mark.parametrize("trained", ["frozen_vision", "lora"])
def test_a_judge_that_is_there_goes_straight_to_fine_tuning(
    one_rank: tuple[TrainingSummary, JudgeFiles], data: Path, tmp_path: Path, trained: str
) -> None:
    """Its vision tower rests, its text model learns, and what is written is the plain class again."""
    start = one_rank[1].judge
    summary, files = train(settings(init=str(start), trained=trained, steps=2), data, tmp_path)
    assert not files.prepared.exists()
    assert one_rank[0].best is not None and summary.start == pytest.approx(one_rank[0].best.accuracy)
    before, after = load_file(start / "model.safetensors"), weights(files)
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and not any(".visual." in name for name in moved)
    assert Judge.load(files.judge).prompts.version is NEWEST


def test_training_stops_when_nothing_gets_better(ray_cluster: None, data: Path, tmp_path: Path) -> None:
    """Nothing moves at this rate, so no later measurement is a new best."""
    still = {"learning_rate": 1e-12, "vision_learning_rate": 1e-12, "output_learning_rate": 1e-12}
    config = settings(steps=50, evaluate_every=1, patience=2, optimiser=still)
    summary, _ = train(config, data, tmp_path)
    assert summary.stopped_early and [m.step for m in summary.measurements] == [1, 2, 3]


KILLED = """
import asyncio, sys
from pathlib import Path
from oars.compass.training.files import JudgeFiles
from oars.config.judge_training import JudgeTrainingConfig
from services.launch.cluster import cluster
from services.reward_modeling.training import train_judge
from services.run.progress import Lines
config = JudgeTrainingConfig.model_validate_json(sys.argv[1])
with cluster(4, None):
    asyncio.run(train_judge(config, JudgeFiles(Path(sys.argv[2]), Path(sys.argv[3])), Lines(0)))
"""


def test_a_training_killed_twice_goes_on_and_ends_in_the_same_weights(
    one_rank: tuple[TrainingSummary, JudgeFiles], data: Path, tmp_path: Path
) -> None:
    """kill -9 of the driver in the preparation, and of the next one after a checkpoint; its cluster ends with each."""
    command = [sys.executable, "-c", KILLED, settings().model_dump_json(), str(tmp_path), str(data)]
    for sign in ("[prepare 1/2]", "[tune 3/4]"):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert any(line.startswith(sign) for line in process.stdout)
        process.kill()
        process.wait()
    summary, files = train(settings(), data, tmp_path)
    assert summary == one_rank[0]
    for name, tensor in weights(files).items():
        assert torch.equal(tensor, weights(one_rank[1])[name]), name
