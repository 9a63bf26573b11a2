"""Pairs are deterministic, the right size, spread over the right photos, and textured."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from oars.config.degradation import DegradationConfig, LowQualityConfig
from oars.config.run import DataConfig
from oars.imaging.crops import Pair, PhotoTooSmall, evaluation_pairs, low_quality_input, texture, training_pair
from oars.imaging.photo import Photo
from oars.imaging.photos import find_photos

DATA = DataConfig(crop=64, evaluation_crop=128, evaluation_crops=12)
PHOTOS = find_photos("packages", "train")


def gt_of(pair: Pair) -> NDArray[np.uint8]:
    assert pair.gt is not None
    return pair.gt


def test_training_pairs_are_deterministic_and_differ() -> None:
    pairs = [training_pair(PHOTOS, DATA, 1, index) for index in range(8)]
    again = training_pair(PHOTOS, DATA, 1, 3)
    assert again.image_id == pairs[3].image_id
    np.testing.assert_array_equal(again.lr, pairs[3].lr)
    np.testing.assert_array_equal(again.gt, pairs[3].gt)
    assert len({pair.image_id for pair in pairs}) == 8
    assert all(pair.lr.shape == (16, 16, 3) and gt_of(pair).shape == (64, 64, 3) for pair in pairs)


def test_lr_and_gt_are_aligned() -> None:
    """Mild degradation: the LR matches its own GT better than the GT moved by one LR pixel, mirrored or not."""
    data = DATA.model_copy(update={"degradation": DegradationConfig.mild()})
    matches = np.zeros(3)
    for index in range(12):
        pair = training_pair(PHOTOS, data, 2, index)
        reference = gt_of(pair).reshape(16, 4, 16, 4, 3).mean((1, 3))
        for move in (-1, 0, 1):
            moved = np.roll(reference, move, axis=1)[:, 1:-1].ravel()
            matches[move + 1] += np.corrcoef(moved, pair.lr[:, 1:-1].ravel())[0, 1] / 12
    assert matches[1] > 0.9 and matches[1] > max(matches[0], matches[2])


def test_a_weaker_degradation_leaves_more_of_the_photo() -> None:
    """Mean error of the LRs against the GT's own reduction, at fixed strengths and at those drawn between them."""

    def error(strength: tuple[float, float]) -> float:
        data = DATA.model_copy(update={"strength": strength})
        drawn = [training_pair(PHOTOS, data, 3, index) for index in range(12)]
        return float(np.mean([np.abs(gt_of(p).reshape(16, 4, 16, 4, 3).mean((1, 3)) - p.lr).mean() for p in drawn]))

    assert error((0, 0)) < error((0, 1)) < error((1, 1))


def test_evaluation_uses_every_evaluation_photo_and_no_training_photo() -> None:
    pairs = evaluation_pairs(DATA, 0)
    assert len(pairs) == 12
    assert {pair.image_id.split("@")[0] for pair in pairs} == {p.name for p in find_photos("packages", "evaluation")}
    assert all(texture(gt_of(pair)) > 2 for pair in pairs)


def test_evaluation_crops_are_disjoint_while_there_are_enough() -> None:
    boxes = [pair.image_id.split("@") for pair in evaluation_pairs(DATA, 0)]
    corners = [(name, np.array(box.split("+")[0].split(","), int)) for name, box in boxes]
    for i, (name, corner) in enumerate(corners):
        for other, earlier in corners[:i]:
            assert name != other or np.abs(corner - earlier).max() >= 128


def test_more_evaluation_crops_than_cells_overlap_but_never_repeat() -> None:
    crowded = {"evaluation_crops": 60, "degradation": DegradationConfig.mild()}
    pairs = evaluation_pairs(DATA.model_copy(update=crowded), 0)
    assert len({pair.image_id for pair in pairs}) == 60


def test_low_quality_input_has_no_ground_truth_and_is_deterministic() -> None:
    first, second = (low_quality_input(PHOTOS, DATA, 5, 9) for _ in range(2))
    assert first.gt is None and first.lr.shape == (16, 16, 3) and first.image_id == second.image_id
    np.testing.assert_array_equal(first.lr, second.lr)


def test_soft_full_size_pixels_are_used_untouched(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "soft.png")
    pair = low_quality_input([Photo("soft.png", tmp_path / "soft.png", 2)], DATA, 0, 0)
    left, top = map(int, pair.image_id.split("@")[1].split("+")[0].split(","))
    np.testing.assert_array_equal(pair.lr, pixels[top : top + 16, left : left + 16])


def test_real_low_quality_photos_are_untouched_and_have_their_share(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "real.png")
    real = [Photo("real.png", tmp_path / "real.png")]
    data = DATA.model_copy(update={"low_quality": LowQualityConfig(photos=str(tmp_path), share=0.25)})
    drawn = [low_quality_input(PHOTOS, data, 0, index, real) for index in range(40)]
    own = [pair for pair in drawn if pair.image_id.startswith("real.png@")]
    assert 4 <= len(own) <= 16
    for pair in own:
        left, top = map(int, pair.image_id.split("@")[1].split("+")[0].split(","))
        np.testing.assert_array_equal(pair.lr, pixels[top : top + 16, left : left + 16])
    others = [low_quality_input(PHOTOS, DATA, 0, index).image_id for index in range(40)]
    assert {pair.image_id for pair in drawn} - {pair.image_id for pair in own} <= set(others)


def test_photo_too_small_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "tiny.png")
    with pytest.raises(PhotoTooSmall, match=r"tiny\.png: 40x40"):
        training_pair([Photo("tiny.png", tmp_path / "tiny.png")], DATA, 0, 0)
