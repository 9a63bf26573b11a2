"""FR-RL's F is what the judge's F labels were made from."""

import json
from pathlib import Path

import numpy as np
import pytest

from oars.compass.annotation.fidelity_labels import FidelityMap
from oars.compass.annotation.labels import LabelMap
from oars.compass.data.dataset import LABELS_FILE, fidelity_bounds
from oars.compass.judge_card import JUDGE_LABELS
from oars.config import JudgeConfig
from oars.metrics.dists import dists_available
from oars.metrics.perceptual import MissingWeights
from oars.miniature import miniature_path
from services.control.measured_fidelity import judge_labels, measured_fidelity

BOUNDS = LabelMap(stlpips=0.7, structure=0.6, colour=15.0, jod=4.0)
MAPS = [FidelityMap("metrics", BOUNDS, None), FidelityMap("dists", BOUNDS, 0.4)]


@pytest.mark.parametrize("made", MAPS, ids=lambda made: made.source)
def test_what_lies_beside_a_judge_says_what_its_labels_were_made_from(made: FidelityMap, tmp_path: Path) -> None:
    (tmp_path / LABELS_FILE).write_text(json.dumps({"fidelity": made.record()}))
    assert FidelityMap.beside(json.dumps(fidelity_bounds(tmp_path))) == made


def test_data_without_fidelity_have_no_bounds(tmp_path: Path) -> None:
    (tmp_path / LABELS_FILE).write_text("{}")
    assert fidelity_bounds(tmp_path) is None


def test_a_judge_of_dists_labels_is_refused_where_dists_is_not(tmp_path: Path) -> None:
    if dists_available():
        pytest.skip("DISTS is here")
    for path in miniature_path("judge").iterdir():
        if path.name != JUDGE_LABELS:
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / JUDGE_LABELS).write_text(
        json.dumps({"stlpips": 1, "structure": 1, "colour": 1, "jod": 1, "dists_bound": 1})
    )
    with pytest.raises(MissingWeights, match="DISTS needs"):
        judge_labels(JudgeConfig(path=str(tmp_path)))


def test_the_embedded_judge_is_measured_by_the_metrics_of_its_labels() -> None:
    labels = judge_labels(JudgeConfig())
    gt = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    noisy = np.clip(gt.astype(int) + 60, 0, 255).astype(np.uint8)
    perfect, worse = measured_fidelity(np.stack([gt, noisy]), gt, labels)
    assert labels.source == "metrics"
    assert perfect == pytest.approx(1.0) and worse < 0.9
