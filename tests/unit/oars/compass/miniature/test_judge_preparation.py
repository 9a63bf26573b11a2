import numpy as np
import pytest
import torch
from compass_data import write_tiny_dataset

from oars.compass.data.dataset import read_groups
from oars.compass.judge import Judge
from oars.compass.miniature.judge_preparation import Preparation
from oars.compass.training.examples import Examples, draw_batch, example_of, open_examples, pack
from oars.config.judge_training import JudgeTrainingConfig

CONFIG = JudgeTrainingConfig.model_validate(
    {
        "candidates": 2,
        "batch_groups": 2,
        "preparation": {"steps": 2, "batch_groups": 2, "fitted_groups": 60, "checkpoint_every": 1},
    }
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Examples:
    directory = tmp_path_factory.mktemp("data")
    write_tiny_dataset(directory / "data", groups=12)
    pack((example_of(group, CONFIG, {}) for group in read_groups(directory / "data")), directory / "all")
    return open_examples(directory / "all")


def test_a_resumed_preparation_ends_with_the_weights_of_an_unbroken_one(examples, tmp_path):
    (tmp_path / "a").mkdir()
    whole, broken = Preparation(examples, CONFIG, tmp_path / "a"), Preparation(examples, CONFIG, tmp_path / "b")
    for _ in range(2):
        whole.train()
    broken.train()
    resumed = Preparation(examples, CONFIG, tmp_path / "b")
    assert resumed.step == 1
    resumed.train()
    pairs = zip(whole.model.parameters(), resumed.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_fitted_output_layer_answers_with_scores_near_the_labels(examples, tmp_path):
    preparation = Preparation(examples, CONFIG, tmp_path)
    (tmp_path / "judge").mkdir()
    preparation.write(tmp_path / "judge")
    judge = Judge.load(tmp_path / "judge", dtype=torch.float32)
    batch = draw_batch(examples, CONFIG, 12, seed=5)
    readings = [judge.score(views[0], views[1:]) for views in batch.views]
    read = np.array([[reading.q_sr for reading in row] for row in readings])
    told = batch.quality[:, 1:]
    # At least an eighth of the mass on each of the two sets that share a position, of which training makes a half.
    assert min(reading.confidence.share for row in readings for reading in row) > 0.25
    assert np.corrcoef(read.ravel(), told.ravel())[0, 1] > 0.3
