import numpy as np
import pytest

from oars.compass.data import artefacts
from oars.compass.data.artefacts import ARTEFACTS, BASES, CONTENT, make, scene_of


def scene() -> artefacts.Scene:
    rng = np.random.default_rng(1)
    gt, foreign = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    return scene_of(gt[::4, ::4], gt, foreign)


@pytest.mark.parametrize("step", [*BASES, *ARTEFACTS], ids=lambda step: step.__name__)
def test_every_step_gives_a_picture_and_changes_the_reference_only_with_the_content(step):
    base, added = (step, ()) if step in BASES else (artefacts.ground_truth, (step,))
    drawn, again = (make(scene(), base, added, np.random.default_rng(5)) for _ in range(2))
    assert drawn.pixels.shape == (64, 64, 3)
    assert np.array_equal(drawn.pixels, again.pixels)
    assert np.array_equal(drawn.reference, scene().gt.astype(np.uint8)) == (step not in CONTENT)


@pytest.mark.parametrize("seed", range(40))
def test_grids_are_regular_whatever_their_period(seed):
    grey = np.full((256, 256, 3), 128, np.uint8)
    flat = scene_of(grey[::4, ::4], grey, grey)
    light = make(flat, artefacts.ground_truth, (artefacts.gridded,), np.random.default_rng(seed)).pixels[..., 0] > 128
    assert any((light[p:] == light[:-p]).all() and (light[:, p:] == light[:, :-p]).all() for p in (2, 4, 8, 16))
