"""A known lattice reads as its amplitude, at its period; photos and enlargements read about none."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from oars.imaging.photos import find_photos
from oars.metrics.lattice import (
    PERIODS,
    colour_speckle,
    lattice_amplitude,
    lattice_power,
    strongest_lattice,
)

Pixels = NDArray[np.uint8]

PHOTOS = [photo.pixels() for photo in find_photos("packages", "train")[:8]]
GREY = np.full((256, 192, 3), 128, np.uint8)
CROPS = [np.ascontiguousarray(photo[:96, :96]) for photo in PHOTOS]


def woven(picture: Pixels, period: int, amplitude: float, seed: int = 0) -> Pixels:
    """The picture with a random pattern of this period and rms added, in its own phase."""
    pattern = np.random.default_rng(seed).normal(size=(period, period))
    pattern -= pattern.mean()
    rows, columns = (-(-side // period) for side in picture.shape[:2])
    tiled = np.tile(pattern * amplitude / pattern.std(), (rows, columns))[: picture.shape[0], : picture.shape[1], None]
    return np.clip(np.rint(picture + tiled), 0, 255).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(PERIODS), st.floats(1, 16), st.integers(0, 99))
def test_on_a_flat_picture_the_amplitude_is_that_of_the_rounded_pattern(
    period: int, amplitude: float, seed: int
) -> None:
    picture = woven(GREY, period, amplitude, seed)
    assert lattice_amplitude([picture], period) == pytest.approx(picture[:period, :period, 0].std(), rel=0.02)


@pytest.mark.parametrize("period", [2, 3, 7, 8, 16, 31])
@pytest.mark.parametrize("amplitude", [2.0, 8.0])
def test_on_photos_a_known_lattice_is_measured(period: int, amplitude: float) -> None:
    pictures = [woven(photo, period, amplitude) for photo in PHOTOS]
    assert lattice_amplitude(pictures, period) == pytest.approx(amplitude, rel=0.15)


def test_crops_of_one_block_each_show_the_lattice_that_they_share() -> None:
    assert lattice_power([woven(crop, 8, 4.0) for crop in CROPS], 8) == pytest.approx(16, rel=0.3)
    assert abs(lattice_power(CROPS, 8)) < 0.5


def enlarged(photo: Pixels) -> Pixels:
    low = Image.fromarray(photo[:128, :128])
    return np.asarray(low.resize((512, 512), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("make", [lambda photo: photo, enlarged], ids=["photo", "bicubic"])
@pytest.mark.parametrize("period", [2, 4, 8])
def test_photos_and_their_enlargements_have_none(make: Callable[[Pixels], Pixels], period: int) -> None:
    assert lattice_amplitude([make(photo) for photo in PHOTOS], period) < 0.3


@pytest.mark.parametrize("period", [2, 5, 8, 16])
def test_the_strongest_lattice_is_at_its_own_period_not_at_a_multiple(period: int) -> None:
    found = strongest_lattice([woven(photo, period, 4.0) for photo in PHOTOS])
    assert found.period == period and found.amplitude == pytest.approx(4.0, rel=0.15)


def test_a_pattern_that_differs_from_picture_to_picture_is_no_lattice() -> None:
    assert lattice_amplitude([woven(crop, 8, 6.0, seed) for seed, crop in enumerate(CROPS)], 8) < 3


def test_one_block_or_a_small_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="two blocks"):
        lattice_power(CROPS[:1], 8)
    with pytest.raises(ValueError, match="needs 64 px a side"):
        lattice_power([GREY[:63]], 32)


def test_speckle_grows_with_coloured_noise_and_ignores_grey_noise() -> None:
    rng = np.random.default_rng(0)
    coloured, grey = rng.normal(0, 12, GREY.shape), rng.normal(0, 12, (*GREY.shape[:2], 1))
    assert colour_speckle(GREY) == 0
    assert colour_speckle(np.clip(GREY + grey, 0, 255).astype(np.uint8)) < 0.01
    # Cb and Cr of independent noise of 12 levels a channel: 12 * 0.62 and 12 * 0.66, of which 5 x 5 keeps 0.98.
    assert colour_speckle(np.clip(np.rint(GREY + coloured), 0, 255).astype(np.uint8)) == pytest.approx(7.5, rel=0.05)
