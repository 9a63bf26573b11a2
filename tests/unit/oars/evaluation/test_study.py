"""The plan of a study: every pair as often, sides and names that tell nothing, checks with a right answer."""

from collections import Counter

import numpy as np
import pytest

from oars.evaluation.study import BadStudy, Scene, cropped, plan_trials, spoiled

MODELS = ("base", "sft", "aligned")


def scene(name: str, lr: bool = True, height: int = 32, width: int = 48) -> Scene:
    pixels = np.random.default_rng(len(name)).integers(0, 256, (height, width, 3), dtype=np.uint8)
    outputs = {model: pixels // (i + 1) for i, model in enumerate(MODELS)}
    return Scene(name, pixels[::4, ::4] if lr else None, pixels, outputs, {})


SCENES = [scene(f"photo {number}") for number in range(10)]


def test_a_whole_study_asks_each_pair_of_each_scene_once() -> None:
    trials = plan_trials(SCENES, MODELS, None, 0, seed=0)
    asked = Counter((trial.scene, frozenset((trial.a, trial.b))) for trial in trials)
    assert len(asked) == 30 and set(asked.values()) == {1}
    assert 5 < sum(trial.a == "aligned" for trial in trials if "aligned" in (trial.a, trial.b)) < 15
    assert len({trial.id for trial in trials}) == 30


@pytest.mark.parametrize("count", [3, 12, 21])
def test_a_short_study_asks_every_pair_as_often(count: int) -> None:
    trials = plan_trials(SCENES, MODELS, count, 0, seed=0)
    assert set(Counter(frozenset((trial.a, trial.b)) for trial in trials).values()) == {count // 3}


def test_the_plan_follows_the_seed_and_its_names_tell_nothing() -> None:
    first, again, other = (plan_trials(SCENES, MODELS, 9, 2, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert all(len(trial.id) == 16 and not set(trial.id) - set("0123456789abcdef") for trial in first)


def test_a_check_has_a_right_side_and_its_other_side_is_plainly_worse() -> None:
    trials = plan_trials(SCENES, MODELS, 6, 8, seed=0)
    checks = [trial for trial in trials if trial.right is not None]
    assert len(checks) == 8 and {trial.right for trial in checks} == {"a", "b"}
    assert all(trial.a == trial.b for trial in checks)
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert spoiled(pixels).std() < pixels.std() / 5


def test_a_study_of_one_model_or_no_scene_is_refused() -> None:
    with pytest.raises(BadStudy, match="two models"):
        plan_trials(SCENES, ("base",), None, 0, 0)
    with pytest.raises(BadStudy, match="and 0"):
        plan_trials([], MODELS, None, 0, 0)


@pytest.mark.parametrize("lr", [True, False])
def test_a_crop_shows_the_same_place_of_every_picture(lr: bool) -> None:
    shown = cropped(scene("photo", lr, height=40, width=100), 24)
    assert shown.gt is not None and shown.gt.shape == (24, 24, 3)
    np.testing.assert_array_equal(shown.outputs["base"], shown.gt)
    if shown.lr is not None:
        np.testing.assert_array_equal(shown.lr, shown.gt[::4, ::4])
