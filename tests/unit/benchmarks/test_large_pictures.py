"""The measures of seams see a seam, and none where tiles left none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.large_pictures import seam_ratio, stride_lattice
from oars.imaging.tiling import Tiles

TILES = Tiles.on_grid(4, 96, 32)
Floats = NDArray[np.float64]


@pytest.fixture
def noise() -> Floats:
    return np.random.default_rng(0).normal(128, 8, (600, 800, 3))


def picture(values: Floats) -> NDArray[np.uint8]:
    return values.round().clip(0, 255).astype(np.uint8)


def with_lighter_tiles(values: Floats) -> Floats:
    """Every second column of tiles is lighter, with hard borders."""
    lighter = values.copy()
    for start in TILES.starts(200)[::2]:
        lighter[:, start * 4 : start * 4 + TILES.tile] += 20
    return lighter


def test_pixels_that_know_no_tiles_have_no_seam(noise: Floats) -> None:
    assert seam_ratio(picture(noise), TILES) == pytest.approx(1, abs=0.02)
    assert abs(stride_lattice(picture(noise), TILES, 0)) < 0.2


def test_tiles_of_another_brightness_are_seams(noise: Floats) -> None:
    assert seam_ratio(picture(with_lighter_tiles(noise)), TILES) > 1.1


def test_a_pattern_that_every_tile_has_is_a_lattice(noise: Floats) -> None:
    for start in TILES.starts(200):
        noise[:, start * 4 : start * 4 + 8] += 10
    assert stride_lattice(picture(noise), TILES, 0) > 3 > stride_lattice(picture(noise), TILES, 8)
