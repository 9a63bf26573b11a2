"""The library of perturbations: strength is how much, the seed is what; a lattice has the period and size it states."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oars.imaging import perturbations as library
from oars.imaging.perturbations import MAX_PERIOD, MIN_PERIOD, Floats, Perturbation, lattice, to_pixels

GREY = np.full((96, 96, 3), 128, np.float32)


def picture(seed: int) -> Floats:
    levels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
    return np.kron(levels, np.ones((8, 8, 1))).astype(np.float32)


ALL: dict[str, Perturbation] = {
    **{
        name: getattr(library, name)
        for name in (
            "blur",
            "oversharpening",
            "ringing",
            "grain",
            "grid",
            "checkerboard",
            "lattice",
            "colour_shift",
            "texture_painting",
            "warp",
            "object_moved",
        )
    },
    "foreign_content": partial(library.foreign_content, foreign=picture(1)),
}


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_strength_changes_nothing_and_more_strength_changes_more(name: str, seed: int) -> None:
    image = picture(0)
    none, weak, strong = (
        float(np.square(ALL[name](image, strength, np.random.default_rng(seed)) - image).mean())
        for strength in (0.0, 0.2, 1.0)
    )
    assert none < 1e-6 and weak < strong


@given(period=st.integers(MIN_PERIOD, MAX_PERIOD), strength=st.floats(1 / 32, 1), seed=st.integers(0, 2**32 - 1))
def test_a_lattice_repeats_at_its_period_and_swings_by_its_strength(period: int, strength: float, seed: int) -> None:
    added = lattice(GREY, strength, np.random.default_rng(seed), period) - GREY
    # Fields of an odd period differ by a pixel, so the pattern repeats exactly at twice the period.
    twice = 2 * period
    np.testing.assert_allclose(added[twice:], added[:-twice], atol=1e-4)
    np.testing.assert_allclose(added[:, twice:], added[:, :-twice], atol=1e-4)
    assert added.max() - added.min() == pytest.approx(2 * 16 * strength, rel=1e-3)
    assert abs(float(added.mean())) < 0.01


def test_the_weakest_lattice_shows_in_8_bits() -> None:
    image = picture(3)
    assert (to_pixels(lattice(image, 1 / 32, np.random.default_rng(0), 8)) != to_pixels(image)).any()
