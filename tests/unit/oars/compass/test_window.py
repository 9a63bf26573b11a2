"""The window that a group is scored in: inside, everywhere in time, and out of phase with any lattice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.window import draw_window
from oars.imaging.perturbations import lattice_pattern

NAMES = [f"group {number}" for number in range(2000)]


@given(st.integers(16, 200), st.integers(16, 200), st.integers(0, 8), st.text())
def test_a_window_lies_inside_and_its_name_decides_its_place(height, width, shift, name):
    window = draw_window(height, width, shift, name)
    assert window == draw_window(height, width, shift, name)
    pictures = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    cut = window.of(pictures)
    assert cut.shape == (2, height - shift, width - shift, 3)
    assert np.array_equal(cut[0], window.of(pictures[0]))
    assert np.array_equal(cut[:, 0, 0], pictures[:, window.top, window.left])


def test_without_a_shift_the_window_is_the_picture():
    assert draw_window(24, 32, 0, "any") == (0, 0, 24, 32)


def test_every_place_is_drawn():
    places = {(window.top, window.left) for window in (draw_window(96, 96, 4, name) for name in NAMES)}
    assert len(places) == 25


def test_what_a_patch_prefers_of_a_lattice_is_nothing_on_average():
    pattern = lattice_pattern((96, 96), 8, "checks")[..., 0]
    taste = np.random.default_rng(1).normal(size=(8, 8))

    def pleasure(shift: int, name: str) -> float:
        window = draw_window(96, 96, shift, name)
        seen = pattern[window.top : window.top + window.height, window.left : window.left + window.width]
        return float((seen.reshape(window.height // 8, 8, window.width // 8, 8) * taste[:, None, :]).mean())

    aligned, moved = (np.mean([pleasure(shift, name) for name in NAMES]) for shift in (0, 16))
    assert abs(moved) < 0.1 * abs(aligned)
