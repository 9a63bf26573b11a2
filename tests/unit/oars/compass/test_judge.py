import numpy as np
import pytest
import torch

from oars.compass.judge import Judge
from oars.compass.miniature.judge_model import build_judge
from oars.compass.views import judge_views


@pytest.fixture(scope="module")
def judge(tmp_path_factory) -> Judge:
    path = tmp_path_factory.mktemp("judge")
    build_judge(path, seed=0)
    judge = Judge.load(path, dtype=torch.float32)
    # An untrained judge says the same of every picture; this one tells them apart.
    torch.nn.init.normal_(judge.model.lm_head.weight, generator=torch.Generator().manual_seed(0))
    return judge


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_q_lr_is_the_same_for_all_candidates(judge):
    readings = judge.score(images(16, 16, 3), images(5, 64, 64, 3), chunk=2)
    assert len(readings) == 5
    assert len({reading.q_lr for reading in readings}) == 1
    assert len({reading.q_sr for reading in readings}) == 5


def test_a_score_does_not_depend_on_its_neighbours(judge):
    lr, candidates = images(16, 16, 3), images(3, 64, 64, 3)
    together, alone = judge.score(lr, candidates)[2], judge.score(lr, candidates[2:])[0]
    assert together.fidelity == pytest.approx(alone.fidelity, abs=1e-5)
    assert together.q_sr == pytest.approx(alone.q_sr, abs=1e-5)


def test_the_same_seed_builds_the_same_judge(tmp_path):
    for name in ("a", "b"):
        build_judge(tmp_path / name, seed=3)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]


def test_views_have_the_candidates_size_and_leave_them_alone():
    candidates = images(2, 64, 96, 3)
    view, pictures = judge_views(images(16, 24, 3), candidates)
    assert view.shape == (64, 96, 3)
    assert all(np.array_equal(a, b) for a, b in zip(pictures, candidates, strict=True))


def test_an_lr_of_the_candidates_size_is_shown_as_it_is():
    lr = images(64, 64, 3)
    assert np.array_equal(judge_views(lr, lr[None])[0], lr)
