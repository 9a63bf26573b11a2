import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.judge_batches import draw_batch
from oars.compass.judge_data import Shelf
from oars.compass.judge_reading import two_hot
from oars.compass.judge_training import JudgeTrainer
from oars.compass.labels import Errors, LabelMap
from oars.config.judge_training import JudgeTrainingConfig

CONFIG = JudgeTrainingConfig(
    steps=2, vision_steps=1, batch_groups=1, candidates=1, warmup=1, size_shares=(1.0,), checkpoint_every=1
)
LABELS = LabelMap(stlpips=0.7, structure=0.6, colour=15.0, jod=4.0)


def shelf() -> Shelf:
    rng = np.random.default_rng(0)
    values = [rng.random(4).astype(np.float32) for _ in range(5)]
    names = np.array(["a", "b"])
    return Shelf(rng.integers(0, 256, (2, 2, 64, 64, 3), dtype=np.uint8), Errors(*values), names[:, None], names)


@given(st.floats(1, 5))
def test_two_hot_is_a_distribution_with_the_labels_expectation(label):
    values = torch.arange(1.0, 6.0)
    weights = two_hot(torch.tensor([label]), values)
    assert weights.sum().item() == pytest.approx(1, abs=1e-5)
    assert (weights * values).sum().item() == pytest.approx(label, abs=1e-4)
    assert (weights > 0).sum() <= 2


def test_a_batch_derives_from_its_seed_and_keeps_all_colours_of_a_group():
    one, same, other = (draw_batch([shelf()], LABELS, seed, CONFIG) for seed in (1, 1, 2))
    assert np.array_equal(one.views, same.views)
    assert not np.array_equal(one.views, other.views)
    assert one.fidelity.shape == (1, 1)
    assert one.quality.shape == (1, 2)


def test_a_resumed_training_ends_with_the_weights_of_an_unbroken_one(tmp_path, monkeypatch):
    def trainer(name: str, steps: int) -> JudgeTrainer:
        return JudgeTrainer([shelf()], LABELS, 0, CONFIG.model_copy(update={"steps": steps}), tmp_path / name)

    class Killed(Exception):
        pass

    whole, broken = trainer("whole", 2), trainer("broken", 2)
    whole.run(progress=False)
    step = broken.train_step

    def dies_in_its_second_step(shelves):
        if broken.step == 1:
            raise Killed
        return step(shelves)

    monkeypatch.setattr(broken, "train_step", dies_in_its_second_step)
    with pytest.raises(Killed):
        broken.run(progress=False)
    resumed = trainer("broken", 2)
    resumed.run(progress=False)
    pairs = zip(whole.model.parameters(), resumed.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert resumed.step == 2
