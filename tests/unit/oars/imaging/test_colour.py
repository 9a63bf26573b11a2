"""The SR takes the LR's colour and keeps its own detail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oars.imaging.colour import keep_colour
from oars.imaging.tiling import LR_ROWS

RNG = np.random.default_rng(0)
GT = np.clip(RNG.normal(128, 15, (64, 96, 3)), 0, 255).astype(np.uint8)
LR = GT.reshape(16, 4, 24, 4, 3).mean((1, 3)).round().astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(-40, 40)] * 3))
def test_mean_colour_is_the_lr_s(shift: tuple[int, int, int]) -> None:
    drifted = np.clip(GT.astype(int) + shift, 0, 255).astype(np.uint8)
    kept = keep_colour(drifted, LR)
    assert np.abs(kept.mean((0, 1)) - LR.mean((0, 1))).max() < 0.5


def test_slow_drift_is_removed_and_detail_stays() -> None:
    ramp = np.linspace(-30, 30, 96)[None, :, None]
    drifted = np.clip(GT + ramp, 0, 255).astype(np.uint8)
    kept = keep_colour(drifted, LR)
    assert np.abs(kept.astype(int) - GT).mean() < 0.2 * np.abs(drifted.astype(int) - GT).mean()


def test_right_colours_are_left_alone() -> None:
    assert np.abs(keep_colour(GT, LR).astype(int) - GT).max() <= 1


def test_size_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(ValueError, match="no multiple"):
        keep_colour(GT[:63], LR)


def test_a_picture_of_many_bands_is_corrected_as_one() -> None:
    """A constant drift of a picture taller than what is corrected at a time comes out everywhere, seams included."""
    lr = np.full((3 * LR_ROWS + 5, 9, 3), 120, np.uint8)
    drifted = np.full((2 * lr.shape[0], 18, 3), 100, np.uint8)
    drifted[::7] += 3
    kept = keep_colour(drifted, lr)
    assert np.abs(np.diff(kept.reshape(-1, 2, 18, 3).mean((1, 2, 3)))).max() <= 2.1
    assert abs(kept.mean() - 120) < 0.5
