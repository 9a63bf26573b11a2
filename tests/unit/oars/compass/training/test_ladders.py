"""Ladders of ever more changed pictures: what the judge is taught about them is true."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oars.compass.training import ladders
from oars.compass.training.ladders import changes, draw_ladder
from oars.imaging.masks import disc_at, random_disc

NAMES = changes(np.zeros((1, 1, 3), np.float32))
CHANGES = pytest.mark.parametrize("name", NAMES)


def pictures(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures of random shapes, uint8 [40, 48, 3]."""
    rng = np.random.default_rng(seed)
    first, second = (np.kron(rng.integers(0, 256, (10, 12, 3)), np.ones((4, 4, 1))) for _ in range(2))
    return first.astype(np.uint8), second.astype(np.uint8)


def changed(name: str, strength: float, seed: int) -> np.ndarray:
    picture, foreign = (image.astype(np.float32) for image in pictures(seed))
    return changes(foreign)[name].perturbation(picture, strength, np.random.default_rng(seed)) - picture


@CHANGES
@given(st.integers(0, 2**32 - 1))
def test_more_strength_changes_more(name, seed):
    weak, strong = (np.sqrt(np.square(changed(name, strength, seed)).mean()) for strength in (0.2, 1.0))
    assert weak < strong


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
@example(152064, 2)  # its weak change is rounded away
def test_a_ladder_begins_unchanged_and_never_rises(seed, length):
    picture, foreign = pictures(seed)
    ladder = draw_ladder(picture, foreign, length, np.random.default_rng(seed))
    assert ladder.pictures.shape == (length, *picture.shape) and np.array_equal(ladder.pictures[0], picture)
    unchanged = (ladder.pictures == picture).all((1, 2, 3))
    assert (ladder.margins[unchanged] == 0).all() and (ladder.margins[~unchanged] > 0).all()
    assert (np.diff(ladder.margins, axis=0) >= 0).all() and ladder.margins.max() <= 0.3


@CHANGES
def test_what_cannot_be_seen_counts_nothing(name, monkeypatch):
    monkeypatch.setattr(ladders, "changes", lambda foreign: {name: changes(foreign)[name]})
    sky = np.full((32, 32, 3), 120, np.uint8)
    ladder = draw_ladder(sky, sky, 4, np.random.default_rng(0))
    seen = (ladder.pictures != sky).any((1, 2, 3))
    assert (ladder.margins[~seen] == 0).all() and (ladder.margins[seen] > 0).all()
    assert seen.any() == (name in ("colour shift", "texture painting", "lattice", "patch lattice", "grain"))


def test_exchanged_places_keep_every_pixel_outside_them():
    difference = np.abs(changed("object moved", 0.5, 3)).max(-1)
    assert 0.02 < (difference > 0).mean() < 2 * np.pi * 6**2 / (40 * 48)


def test_a_disc_lies_inside_and_is_empty_without_radius():
    rng = np.random.default_rng(0)
    for radius in (0.1, 0.3, 0.49):
        mask = random_disc((40, 60), radius, rng)
        assert mask.shape == (40, 60, 1) and mask.sum() == pytest.approx(np.pi * (radius * 40) ** 2, rel=0.05)
    assert disc_at((40, 60), 10.5, 10.5, 0).max() == 0
