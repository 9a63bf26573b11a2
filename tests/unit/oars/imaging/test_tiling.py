"""Tiles cover everything, their weights sum to one, and the identity comes out unchanged."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oars.imaging.tiling import GRID, Model, Tiles, axis_weights, tiled_rows

Pixels = NDArray[np.uint8]


def tiled(lr: Pixels, tiles: Tiles, model: Model) -> Pixels:
    return np.concatenate(list(tiled_rows(lr, tiles, model)))


def enlarge(lr: Pixels, scale: int) -> Pixels:
    return lr.repeat(scale, 0).repeat(scale, 1)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 3), st.integers(4, 40), st.data())
def test_identity_is_reproduced_for_any_size(
    height: int, width: int, scale: int, side: int, data: st.DataObject
) -> None:
    overlap, step = data.draw(st.integers(0, side - 1)), data.draw(st.integers(1, 4))
    lr = np.random.default_rng(height * 91 + width).integers(0, 256, (height, width, 3), np.uint8)
    seen, places = set[tuple[int, ...]](), set[int]()

    def model(tile: Pixels, top: int, left: int) -> Pixels:
        seen.add(tile.shape)
        places.update((top % step, left % step))
        return enlarge(tile, scale)

    sr = tiled(lr, Tiles(scale, side * scale, overlap * scale, step), model)
    np.testing.assert_array_equal(sr, enlarge(lr, scale))
    assert seen == {(side, side, 3)} and places == {0}


@given(st.integers(2, 60), st.data())
def test_tiles_cover_with_at_least_the_overlap(side: int, data: st.DataObject) -> None:
    overlap, length = data.draw(st.integers(0, side - 1)), side + data.draw(st.integers(0, 300))
    starts = Tiles(1, side, overlap).starts(length)
    assert starts[0] == 0 and starts[-1] == length - side
    assert all(b - a <= side - overlap for a, b in pairwise(starts))


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(1, 4), st.data())
def test_weights_sum_to_one(side: int, scale: int, data: st.DataObject) -> None:
    overlap, length = data.draw(st.integers(0, side - 1)), side + data.draw(st.integers(0, 100))
    total = np.zeros(length * scale)
    for start, weights in axis_weights(Tiles(scale, side * scale, overlap * scale), length):
        assert (weights > 0).all()
        total[start * scale : (start + side) * scale] += weights
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_disagreeing_tiles_blend_without_a_seam() -> None:
    """Each tile returns its own constant; neighbouring pixels still differ little."""
    values = iter(range(0, 250, 10))
    lr = np.zeros((16, 40, 3), np.uint8)
    sr = tiled(lr, Tiles(4, 64, 32), lambda tile, top, left: np.full((64, 64, 3), next(values), np.uint8))
    assert np.abs(np.diff(sr.astype(int), axis=1)).max() <= 2


@pytest.mark.parametrize(("tile", "overlap"), [(30, 8), (32, 6), (32, 32), (32, -4)])
def test_sizes_that_do_not_fit_are_refused(tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        Tiles(4, tile, overlap)


@given(st.integers(1, 6), st.sampled_from([96, 512, 1024]), st.integers(0, 90))
def test_tiles_for_any_scale_are_whole_and_start_on_the_grid(scale: int, tile: int, overlap: int) -> None:
    tiles = Tiles.on_grid(scale, tile, overlap)
    assert tiles.tile <= tile and tiles.tile % GRID == 0 and tiles.overlap <= overlap
    assert all(start * scale % GRID == 0 for start in tiles.starts(997))


@given(st.integers(1, 90), st.integers(1, 90))
def test_the_count_is_how_often_the_model_runs(height: int, width: int) -> None:
    calls, tiles = [], Tiles(1, 32, 8, 4)

    def model(piece: Pixels, top: int, left: int) -> Pixels:
        calls.append(piece.shape)
        return piece

    tiled(np.zeros((height, width, 3), np.uint8), tiles, model)
    assert len(calls) == tiles.count(height, width)
