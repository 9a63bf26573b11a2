"""Plans a blinded study: which two outputs of which scene a trial shows, and which trials test attention.

Pairs of models take turns, so that a study that is cut at any number of trials asks every pair as often. A check shows
an output beside the same output, blurred: whoever does not see that looks at nothing. Everything follows from the seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, zip_longest

import numpy as np

from oars.errors import UserError
from oars.evaluation.study_records import Trial
from oars.imaging.image_io import Pixels
from oars.imaging.perturbations import blurred, to_pixels
from oars.seeds import derive_seed

_BLUR = 0.02
"""Sigma of a check's blur in shortest sides: plain at a glance, 10 px at 512."""


class BadStudy(UserError, ValueError):
    """A study that cannot be made, read or tallied; the message is one line."""


@dataclass(frozen=True)
class Scene:
    """One input with what the models made of it."""

    name: str
    lr: Pixels | None
    """[h, w, 3]; None where it is not known."""
    gt: Pixels | None
    outputs: Mapping[str, Pixels]
    """Model -> [H, W, 3], all of one size."""
    values: Mapping[str, Mapping[str, float]]
    """Model -> metric -> value, as far as they were measured."""


def plan_trials(
    scenes: Sequence[Scene], models: Sequence[str], count: int | None, checks: int, seed: int
) -> list[Trial]:
    """`count` questions (None: every pair of models on every scene), then `checks` checks. Raises BadStudy."""
    if len(models) < 2 or not scenes:
        raise BadStudy(f"a study needs two models and a scene; there are {len(models)} and {len(scenes)}")
    turns = [_shuffled(scenes, seed, f"{a} {b}") for a, b in combinations(models, 2)]
    asked = [
        (scene, pair)
        for row in zip_longest(*turns)
        for scene, pair in zip(row, combinations(models, 2), strict=True)
        if scene is not None
    ]
    questions = [_trial(scene, pair, seed) for scene, pair in asked[:count]]
    return questions + [_check(asked[i % len(asked)][0], models, seed, i) for i in range(checks)]


def spoiled(pixels: Pixels) -> Pixels:
    """An output as a check shows it: blurred."""
    return to_pixels(blurred(pixels.astype(np.float32), _BLUR * min(pixels.shape[:2])))


def cropped(scene: Scene, side: int) -> Scene:
    """The middle `side` pixels of each side of the outputs, and what belongs to them of LR and GT."""
    height, width = next(iter(scene.outputs.values())).shape[:2]
    scale = 1 if scene.lr is None else round(height / scene.lr.shape[0])

    def middle(pixels: Pixels, of: int) -> Pixels:
        spans = [(max(0, (size - side) // 2 // scale), min(side, size) // scale) for size in (height, width)]
        (top, tall), (left, wide) = [(start * scale // of, size * scale // of) for start, size in spans]
        return np.ascontiguousarray(pixels[top : top + tall, left : left + wide])

    return Scene(
        scene.name,
        None if scene.lr is None else middle(scene.lr, scale),
        None if scene.gt is None else middle(scene.gt, 1),
        {model: middle(pixels, 1) for model, pixels in scene.outputs.items()},
        scene.values,
    )


def _shuffled(scenes: Sequence[Scene], seed: int, pair: str) -> list[Scene]:
    return sorted(scenes, key=lambda scene: derive_seed("study", seed, pair, scene.name))


def _trial(scene: Scene, pair: tuple[str, str], seed: int) -> Trial:
    a, b = pair if derive_seed("study side", seed, scene.name, *pair) % 2 else pair[::-1]
    return Trial(id=_id(seed, scene.name, a, b), scene=scene.name, a=a, b=b)


def _check(scene: Scene, models: Sequence[str], seed: int, index: int) -> Trial:
    drawn = derive_seed("study check", seed, scene.name, index)
    model, right = models[drawn % len(models)], ("a", "b")[drawn // len(models) % 2]
    return Trial.model_validate(
        {"id": _id(seed, scene.name, "check", index), "scene": scene.name, "a": model, "b": model, "right": right}
    )


def _id(*parts: str | int) -> str:
    """Tells nobody what is behind it."""
    return f"{derive_seed('study id', *parts):016x}"
