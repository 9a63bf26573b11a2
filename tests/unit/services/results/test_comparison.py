"""What the held-out table and the shown crops say of models, from pictures and figures of each crop."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from oars.imaging.crops import Pair
from oars.report.records import read_samples
from services.results.comparison import Evaluated, Lattices, difference, photos_of, summarised
from services.results.pictures import chosen, extremes, write_samples

Pixels = NDArray[np.uint8]

RNG = np.random.default_rng(0)
TRUTH = [RNG.normal(128, 20, (96, 96, 3)) for _ in range(12)]
PHOTOS = [f"photo-{i // 3}" for i in range(12)]
PAIRS = [
    Pair(f"{photo}@0,{i}+96", np.zeros((24, 24, 3), np.uint8), gt.clip(0, 255).astype(np.uint8))
    for i, (photo, gt) in enumerate(zip(PHOTOS, TRUTH, strict=True))
]


def pixels(images: list[NDArray[np.float64]]) -> list[Pixels]:
    return [image.round().clip(0, 255).astype(np.uint8) for image in images]


def test_the_photo_of_a_crop_is_its_name_before_the_window() -> None:
    assert photos_of(PAIRS) == PHOTOS


def test_the_lattice_of_a_model_is_found_at_its_period_with_its_power() -> None:
    pattern = 4 * np.tile(np.eye(5)[..., None] - 0.2, (20, 20, 1))[:96, :96]
    woven = pixels([image + pattern for image in TRUTH])
    found = Lattices({"sft": pixels(TRUTH), "aligned": woven}, pixels(TRUTH), PHOTOS)
    power = float(np.square(4 * (np.eye(5) - 0.2)).mean())
    assert found.period == 5
    assert found.power("aligned").mean == pytest.approx(power, rel=0.2) and abs(found.power("sft").mean) < 0.3
    change = found.difference("aligned", "sft")
    assert change.low > 0 and change.low < power < change.high + 0.5


def evaluated(stlpips: list[float], **scores: float) -> Evaluated:
    return Evaluated(pixels(TRUTH), [{"stlpips": value, **scores} for value in stlpips])


AFTER, BEFORE = evaluated([0.01 * i for i in range(12)], reward=1.5), evaluated([0.05] * 12, reward=1.0)


def test_means_and_differences_are_over_photos() -> None:
    assert summarised(AFTER, PHOTOS, 0).metrics["stlpips"].mean == pytest.approx(0.055)
    assert summarised(AFTER, PHOTOS, 0).images == 12
    change = difference(AFTER, BEFORE, PHOTOS, 0)
    assert change["reward"].mean == change["reward"].low == change["reward"].high == pytest.approx(0.5)
    assert change["stlpips"].mean == pytest.approx(0.005)
    assert change["stlpips"].low < 0.005 < change["stlpips"].high


def test_best_and_worst_are_shown_beside_what_was_chosen_before(tmp_path: Path) -> None:
    models = {"sft": BEFORE, "aligned": AFTER}
    large = chosen(PAIRS[:1], {name: one.images for name, one in models.items()})
    write_samples(tmp_path, [*large, *extremes(PAIRS, models)])
    samples = read_samples(tmp_path)
    shown = [(sample.choice, sample.image_id) for sample in samples]
    assert shown == [
        ("chosen", PAIRS[0].image_id),
        ("best", PAIRS[0].image_id),
        ("best", PAIRS[1].image_id),
        ("worst", PAIRS[11].image_id),
        ("worst", PAIRS[10].image_id),
    ]
    index = json.loads((tmp_path / "samples" / "index.json").read_text())
    assert all((tmp_path / "samples" / name).exists() for entry in index for name in entry["images"].values())


def test_a_single_crop_is_among_the_worst_alone() -> None:
    one = {"sft": Evaluated(BEFORE.images[:1], BEFORE.metrics[:1]), "aligned": Evaluated([], AFTER.metrics[:1])}
    one["aligned"].images.append(AFTER.images[0])
    assert [shown.choice for shown in extremes(PAIRS[:1], one)] == ["worst"]
