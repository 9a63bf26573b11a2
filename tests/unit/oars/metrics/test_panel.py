"""The panel's own half: values, directions, sizes."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from oars.imaging.photos import find_photos
from oars.metrics.no_reference import MIN_SIDE, MissingMetricFile, brisque, niqe32, read_numbers
from oars.metrics.panel import HIGHER_IS_BETTER, no_reference
from oars.metrics.pixel import PSNR_CAP, psnr, ssim

Pixels = NDArray[np.uint8]

PHOTO = np.ascontiguousarray(find_photos("packages", "evaluation")[1].pixels()[60:188, 120:248])
NOISY = np.clip(PHOTO + np.random.default_rng(0).normal(0, 20, PHOTO.shape), 0, 255).astype(np.uint8)
BLURRED = np.asarray(Image.fromarray(PHOTO).filter(ImageFilter.GaussianBlur(2)))


def test_psnr_of_a_known_error() -> None:
    dark, bright = np.full((16, 16, 3), 10, np.uint8), np.full((16, 16, 3), 20, np.uint8)
    assert psnr(dark, bright) == pytest.approx(28.1308, abs=1e-4)


def test_identical_images_are_perfect_and_finite() -> None:
    assert psnr(PHOTO, PHOTO) == PSNR_CAP and ssim(PHOTO, PHOTO) == pytest.approx(1)


@pytest.mark.parametrize("worse", [NOISY, BLURRED], ids=["noisy", "blurred"])
@pytest.mark.parametrize("metric", [niqe32, brisque])
def test_distortion_raises_the_distance(metric: Callable[[Pixels], float], worse: Pixels) -> None:
    assert metric(worse) > metric(PHOTO)


def test_no_reference_panel_has_known_directions_and_is_finite_even_for_a_flat_image() -> None:
    panel = no_reference(np.full((MIN_SIDE, MIN_SIDE + 1, 3), 7, np.uint8))
    assert set(panel) <= set(HIGHER_IS_BETTER) and all(np.isfinite(value) for value in panel.values())


def test_too_small_is_said() -> None:
    with pytest.raises(ValueError, match=f"at least {MIN_SIDE} px"):
        niqe32(PHOTO[: MIN_SIDE - 1])


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        psnr(PHOTO, PHOTO[:64])


def test_a_pickle_that_names_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "normalize.pickle"
    file.write_bytes(pickle.dumps({"min_": len}))
    with pytest.raises(MissingMetricFile, match=r"normalize\.pickle: names builtins\.len"):
        read_numbers(file)
