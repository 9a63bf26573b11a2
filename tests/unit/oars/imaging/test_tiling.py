"""Tiles cover everything, their weights sum to one, and the identity comes out unchanged."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oars.imaging.tiling import axis_weights, tile_count, tile_starts, upscale_tiled

Pixels = NDArray[np.uint8]


def enlarge(lr: Pixels, scale: int) -> Pixels:
    return lr.repeat(scale, 0).repeat(scale, 1)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 3), st.integers(4, 40), st.data())
def test_identity_is_reproduced_for_any_size(
    height: int, width: int, scale: int, side: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, side - 1))
    lr = np.random.default_rng(height * 91 + width).integers(0, 256, (height, width, 3), np.uint8)
    seen = []

    def upscale(tile: Pixels) -> Pixels:
        seen.append(tile.shape)
        return enlarge(tile, scale)

    sr = upscale_tiled(lr, scale, side * scale, overlap * scale, upscale)
    np.testing.assert_array_equal(sr, enlarge(lr, scale))
    assert set(seen) == {(side, side, 3)}


@given(st.integers(2, 60), st.data())
def test_tiles_cover_with_at_least_the_overlap(side: int, data: st.DataObject) -> None:
    overlap, length = data.draw(st.integers(0, side - 1)), side + data.draw(st.integers(0, 300))
    starts = tile_starts(length, side, overlap)
    assert starts[0] == 0 and starts[-1] == length - side
    assert all(b - a <= side - overlap for a, b in pairwise(starts))


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(1, 4), st.data())
def test_weights_sum_to_one(side: int, scale: int, data: st.DataObject) -> None:
    overlap, length = data.draw(st.integers(0, side - 1)), side + data.draw(st.integers(0, 100))
    total = np.zeros(length * scale)
    for start, weights in axis_weights(length, side, overlap, scale):
        assert (weights > 0).all()
        total[start * scale : (start + side) * scale] += weights
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_disagreeing_tiles_blend_without_a_seam() -> None:
    """Each tile returns its own constant; neighbouring pixels still differ little."""
    values = iter(range(0, 250, 10))
    lr = np.zeros((16, 40, 3), np.uint8)
    sr = upscale_tiled(lr, 4, 64, 32, lambda tile: np.full((64, 64, 3), next(values), np.uint8))
    assert np.abs(np.diff(sr.astype(int), axis=1)).max() <= 2


@pytest.mark.parametrize(("tile", "overlap"), [(30, 8), (32, 6), (32, 32), (32, -4)])
def test_sizes_that_do_not_fit_are_refused(tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        upscale_tiled(np.zeros((20, 20, 3), np.uint8), 4, tile, overlap, lambda lr: enlarge(lr, 4))


@given(st.integers(1, 90), st.integers(1, 90))
def test_tile_count_is_how_often_the_model_runs(height: int, width: int) -> None:
    calls = []

    def model(piece: Pixels) -> Pixels:
        calls.append(piece.shape)
        return piece

    upscale_tiled(np.zeros((height, width, 3), np.uint8), 1, 32, 8, model)
    assert len(calls) == tile_count(height, width, 32, 8)
