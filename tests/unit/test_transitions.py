from pathlib import Path

import numpy as np
import pytest

from oars.compass import enhancers
from oars.compass.enhancers import ARTEFACTS, BASES, CONTENT, make, scene_of
from oars.compass.transitions import transition_group
from oars.imaging.photos import Photo


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Photo]:
    from PIL import Image

    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("photos")
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).resize((200, 180)).save(folder / name)
    return [Photo(name, Path(folder / name)) for name in ("a.png", "b.png")]


def scene() -> enhancers.Scene:
    rng = np.random.default_rng(1)
    gt, foreign = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    return scene_of(gt[::4, ::4], gt, foreign)


@pytest.mark.parametrize("step", [*BASES, *ARTEFACTS], ids=lambda step: step.__name__)
def test_every_step_gives_a_picture_and_changes_the_reference_only_with_the_content(step):
    base, artefacts = (step, ()) if step in BASES else (enhancers.ground_truth, (step,))
    drawn, again = (make(scene(), base, artefacts, np.random.default_rng(5)) for _ in range(2))
    assert drawn.pixels.shape == (64, 64, 3)
    assert np.array_equal(drawn.pixels, again.pixels)
    assert np.array_equal(drawn.reference, scene().gt.astype(np.uint8)) == (step not in CONTENT)


def test_a_group_is_the_same_whenever_it_is_drawn(photos):
    later, first = transition_group(photos, 0, 3, 4), transition_group(photos, 0, 3, 4)
    assert np.array_equal(later.lr, first.lr)
    assert [c.recipe for c in later.candidates] == [c.recipe for c in first.candidates]
    assert len(later.candidates) == 4
    assert {c.pixels.shape for c in later.candidates} == {later.gt.shape}
