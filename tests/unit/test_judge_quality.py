from dataclasses import astuple

import numpy as np
import pytest
import torch
from PIL import Image

from oars.compass.judge import Judge, Readings
from oars.compass.judge_batches import labels_of
from oars.compass.judge_data import Shelf
from oars.compass.judge_model import build_judge
from oars.compass.judge_quality import PROBES, measure, probe
from oars.compass.labels import Errors, LabelMap
from oars.imaging.photos import Photo

GROUPS, CANDIDATES = 3, 2
LABELS = LabelMap(stlpips=0.7, structure=0.6, colour=15.0, jod=4.0)


@pytest.fixture(scope="module")
def judge(tmp_path_factory) -> Judge:
    """Random weights, so that its answers differ from picture to picture; a newly built judge answers alike."""
    path = tmp_path_factory.mktemp("judge")
    build_judge(path, seed=0)
    judge, draw = Judge.load(path, dtype=torch.float32), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in judge.model.named_parameters():
            if weight.ndim >= 2:
                weight += torch.randn(weight.shape, generator=draw) * (0.2 if name == "lm_head.weight" else 0.05)
    return judge


def shelf() -> Shelf:
    rng = np.random.default_rng(0)
    count = GROUPS * (1 + CANDIDATES)
    low, high = (0.1, 0.1, 1, 5, 0.1), (0.6, 0.5, 14, 9, 0.6)
    errors = [rng.uniform(a, b, count).astype(np.float32) for a, b in zip(low, high, strict=True)]
    names = np.array([f"photo {group}" for group in range(GROUPS)])
    views = rng.integers(0, 256, (GROUPS, 1 + CANDIDATES, 64, 64, 3), dtype=np.uint8)
    return Shelf(views, Errors(*errors), names[:, None].repeat(1 + CANDIDATES, 1), names)


def test_a_judge_that_reads_the_labels_agrees_fully(judge, monkeypatch):
    fidelity, quality = labels_of(shelf(), LABELS)
    answers = iter(
        [Readings(float(f), float(q[0]), float(q_sr), 0.9) for f, q_sr in zip(row[1:], q[1:], strict=True)]
        for row, q in zip(fidelity, quality, strict=True)
    )
    monkeypatch.setattr(Judge, "score", lambda self, lr, candidates: next(answers))
    assert astuple(measure(judge, [shelf()], LABELS)) == pytest.approx((1, 1, 1, 1, 1, 1, 1, 0.9))


def test_the_agreement_of_a_random_judge_is_in_range(judge):
    agreement = measure(judge, [shelf()], LABELS)
    correlations, shares = astuple(agreement)[:4], astuple(agreement)[4:]
    assert all(-1 <= value <= 1 for value in correlations)
    assert all(0 <= value <= 1 for value in shares)


def test_every_probe_is_read_and_repeats_by_seed(judge, tmp_path):
    rng = np.random.default_rng(0)
    photos = [Photo(name, tmp_path / f"{name}.png") for name in ("a", "b")]
    for photo in photos:
        Image.fromarray(rng.integers(0, 256, (80, 80, 3), dtype=np.uint8)).save(photo.path)
    means = probe(judge, photos, seed=1, count=1, size=64)
    assert means.keys() == PROBES.keys()
    assert all(0 <= f <= 1 and 1 <= q_lr <= 5 and 1 <= q_sr <= 5 for f, q_lr, q_sr, _ in means.values())
    assert len({q_lr for _, q_lr, _, _ in means.values()}) == 1
    assert probe(judge, photos, seed=1, count=1, size=64) == means
