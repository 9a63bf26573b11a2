"""The SR takes the LR's colour and keeps its own detail."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from oars.imaging.colour import ColourFix, Floats, corrected_rows, keep_colour
from oars.imaging.row_file import RowFile
from oars.imaging.tiling import LR_ROWS

RNG = np.random.default_rng(0)
GT = np.clip(RNG.normal(128, 15, (64, 96, 3)), 0, 255).astype(np.uint8)
LR = GT.reshape(16, 4, 24, 4, 3).mean((1, 3)).round().astype(np.uint8)


FIXES: tuple[ColourFix, ...] = ("low_pass", "wavelet", "adain")


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(-40, 40)] * 3), st.sampled_from(FIXES))
def test_mean_colour_is_the_lr_s(shift: tuple[int, int, int], fix: ColourFix) -> None:
    drifted = np.clip(GT.astype(int) + shift, 0, 255).astype(np.uint8)
    kept = keep_colour(drifted, LR, fix)
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


@pytest.mark.parametrize("fix", FIXES)
def test_a_picture_on_disk_is_corrected_as_one_in_memory(fix: ColourFix, tmp_path: Path) -> None:
    """Taller than what is corrected at a time, so that bands meet."""
    sr = RNG.integers(0, 256, (2 * (2 * LR_ROWS + 3), 20, 3), np.uint8)
    lr = RNG.integers(0, 256, (2 * LR_ROWS + 3, 10, 3), np.uint8)
    with RowFile(tmp_path, 20) as rows:
        rows.fill([sr[:100], sr[100:]])
        corrected = np.concatenate(list(corrected_rows(rows, lr, fix)))
    np.testing.assert_array_equal(corrected, keep_colour(sr, lr, fix))
    assert not list(tmp_path.iterdir())


def blurred(pixels: Floats) -> Floats:
    """What five levels of StableSR's wavelet leave, on the whole picture."""
    for level in range(5):
        for axis in (0, 1):
            reach = [(2**level,) * 2 if a == axis else (0, 0) for a in range(3)]
            padded, at = np.pad(pixels, reach, mode="edge"), np.arange(pixels.shape[axis])
            parts = [weight * padded.take(at + n * 2**level, axis) for n, weight in enumerate((0.25, 0.5, 0.25))]
            pixels = parts[0] + parts[1] + parts[2]
    return pixels


def test_the_wavelet_keeps_the_high_frequencies_and_takes_the_low_ones() -> None:
    enlarged = np.asarray(Image.fromarray(LR).resize((96, 64), Image.Resampling.BICUBIC), np.float32)
    expected = GT - blurred(GT.astype(np.float32)) + blurred(enlarged)
    assert np.abs(keep_colour(GT, LR, "wavelet") - np.clip(expected, 0, 255)).max() <= 0.51


def test_adain_gives_each_channel_the_lr_s_contrast() -> None:
    flat = (128 + (GT.astype(float) - 128) * 0.3).astype(np.uint8)
    kept = keep_colour(flat, LR, "adain")
    np.testing.assert_allclose(kept.std((0, 1)), LR.std((0, 1)), rtol=0.03)


def test_no_correction_changes_nothing() -> None:
    np.testing.assert_array_equal(keep_colour(GT, LR, "none"), GT)
