"""Each level answers to its own fault, and to none of an honest look."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from oars.config import AlarmsConfig
from oars.config.alarms import ALARMS, AlarmName
from oars.evaluation.watch import Look, compared, levels, measured
from oars.imaging.crops import Pair
from oars.imaging.photos import find_photos

Pixels = NDArray[np.uint8]

SIDE, CONFIG = 96, AlarmsConfig()


def pair(photo: Pixels) -> Pair:
    gt = np.ascontiguousarray(photo[:SIDE, :SIDE])
    lr = np.asarray(Image.fromarray(gt).resize((SIDE // 4, SIDE // 4), Image.Resampling.BICUBIC))
    return Pair("crop", lr, gt)


PAIRS = [pair(photo.pixels()) for photo in find_photos("packages", "train")[:4]]


def outputs(seed: int = 0) -> list[NDArray[np.float64]]:
    """Two each: the truth with a little noise of its own."""
    rng = np.random.default_rng(seed)
    return [np.stack([one.gt + rng.normal(0, 3, (SIDE, SIDE, 1)) for _ in range(2)]) for one in PAIRS]  # type: ignore[operator]


def look(images: list[NDArray[np.float64]], reward: float = 1.0, confidence: float = 1.0, norm: float = 1.0) -> Look:
    pixels = [np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in images]
    crops, lattice = measured(pixels, PAIRS)
    told = {"reward": reward, "confidence": confidence, "x0_norm": norm, "velocity_norm": norm}
    return Look(step=0, crops=crops | {name: [value] * len(PAIRS) for name, value in told.items()}, lattice=lattice)


FIRST = look(outputs())


def raised(now: Look) -> set[AlarmName]:
    found = levels(FIRST, now)
    return {name for name in ALARMS if found[name] > CONFIG.alarm(name).limit}


def test_the_same_policy_with_other_noise_raises_nothing() -> None:
    assert raised(look(outputs(seed=1), reward=1.3)) == set()
    assert levels(FIRST, FIRST) == pytest.approx(dict.fromkeys(ALARMS, 0.0), abs=0.25)


def woven(amplitude: float) -> list[NDArray[np.float64]]:
    pattern = np.tile(np.kron([[1, -1], [-1, 1]], np.ones((4, 4))), (SIDE // 8, SIDE // 8))[..., None]
    return [image + amplitude * pattern for image in outputs()]


def test_a_weave_that_the_judge_likes_raises_lattice_and_divergence() -> None:
    now = look(woven(6.0), reward=1.2)
    assert levels(FIRST, now)["lattice"] == pytest.approx(6.0, rel=0.2)
    assert raised(now) == {"lattice", "divergence"}


def test_worse_pictures_are_no_divergence_while_the_judge_sees_it() -> None:
    assert levels(FIRST, look(woven(6.0), reward=0.9))["divergence"] == 0


def test_a_cast_raises_colour_and_a_lift_raises_brightness() -> None:
    assert "colour" in raised(look([image + np.array([6, 0, -6]) for image in outputs()]))
    assert raised(look([image + 6 for image in outputs()])) == {"brightness"}


def test_coloured_noise_raises_speckle() -> None:
    rng = np.random.default_rng(2)
    assert "speckle" in raised(look([image + rng.normal(0, 8, image.shape) for image in outputs()]))


def test_a_moved_picture_raises_shift() -> None:
    assert "shift" in raised(look([np.roll(image, 4, axis=1) for image in outputs()]))


def test_equal_candidates_raise_diversity() -> None:
    assert raised(look([np.stack([image[0]] * 2) for image in outputs()])) == {"diversity"}


def test_norms_and_confidence_raise_their_own() -> None:
    assert raised(look(outputs(), norm=1.4)) == {"x0_norm", "velocity_norm"}
    assert raised(look(outputs(), confidence=0.7)) == {"confidence"}


def test_what_another_judge_says_is_compared_with_the_first_look_by_the_same_judge() -> None:
    """A judge that is exchanged has a scale of its own; pictures are compared with the first look all the same."""
    first = FIRST.model_copy(update={"judge": "old"})
    other = look(woven(6.0), reward=2.0, confidence=0.1).model_copy(update={"judge": "new"})
    later = look(woven(12.0), reward=2.2, confidence=0.1).model_copy(update={"judge": "new"})
    at_once, then = compared([first], other), compared([first, other], later)
    assert at_once["divergence"] == at_once["confidence"] == then["confidence"] == 0.0
    assert at_once["lattice"] == levels(first, other)["lattice"] > CONFIG.lattice.limit
    assert then["divergence"] > 0.0
    assert compared([first], FIRST.model_copy(update={"judge": "old"})) == levels(FIRST, FIRST)
