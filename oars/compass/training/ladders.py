"""Pictures whose order is known without any metric: one picture, changed ever more (ours).

What a group of SR methods never shows is two pictures that differ in one thing: the same picture with and without a
cast, a grid, an object in another place. Reinforcement learning finds such differences if the judge does not see them.
So a training batch brings, beside each group, a ladder: its ground truth or a candidate, and the same one at growing
strengths of one perturbation (`oars/imaging/perturbations.py`). How much each score should fall along the ladder is a
property of the perturbation (`changes`), no measurement. Weak strengths come more often than strong ones: a policy
begins there.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from oars.imaging import perturbations
from oars.imaging.perturbations import Floats, Perturbation, Pixels, to_pixels


class Change(NamedTuple):
    """A perturbation, and how far F and Q_SR should fall at its full strength, as shares of the score's range."""

    perturbation: Perturbation
    fidelity: float
    quality: float


def changes(foreign: Floats) -> dict[str, Change]:
    """The perturbations of ladders; `foreign` is another photo's picture, [H, W, 3].

    Quality falls a little with every change, so that it does not hide a loss of fidelity.
    """
    return {
        "colour shift": Change(perturbations.colour_shift, 0.3, 0.1),
        "object moved": Change(perturbations.object_moved, 0.3, 0.05),
        "warp": Change(perturbations.warp, 0.3, 0.05),
        "foreign content": Change(partial(perturbations.foreign_content, foreign=foreign), 0.3, 0.05),
        "texture painting": Change(perturbations.texture_painting, 0.3, 0.1),
        "lattice": Change(perturbations.lattice, 0.15, 0.3),
        "patch lattice": Change(partial(perturbations.lattice, period=8), 0.15, 0.3),
        "grain": Change(perturbations.grain, 0.1, 0.3),
        "oversharpening": Change(perturbations.oversharpening, 0.1, 0.3),
        "ringing": Change(perturbations.ringing, 0.1, 0.3),
        "blur": Change(perturbations.blur, 0.02, 0.3),
    }


@dataclass(frozen=True)
class Ladder:
    """One picture at C growing strengths, the first unchanged: uint8 [C, H, W, 3], margins [C, 2] of F and Q_SR."""

    pictures: Pixels
    margins: Floats


def draw_ladder(picture: Pixels, foreign: Pixels, length: int, rng: np.random.Generator) -> Ladder:
    """A random change of `picture` at 0 and `length` - 1 random strengths; both pictures uint8 [H, W, 3]."""
    drawn = list(changes(foreign.astype(np.float32)).values())
    change, seed = drawn[rng.integers(len(drawn))], int(rng.integers(1 << 32))
    drawn_strengths = np.sort(rng.uniform(_WEAKEST**0.5, 1.0, length - 1) ** 2)
    strengths = np.concatenate([[0.0], drawn_strengths]).astype(np.float32)
    image = picture.astype(np.float32)
    # The same draws at every strength: only the strength differs.
    changed = [to_pixels(change.perturbation(image, float(s), np.random.default_rng(seed))) for s in strengths[1:]]
    pictures = np.stack([picture, *changed])
    return Ladder(pictures, (strengths * _seen(pictures))[:, None] * np.array(change[1:], np.float32))


_WEAKEST = 0.06
"""Strength of the weakest change: one grey level of a lattice."""
_SEEN_LEVELS = 6.0
"""Root mean square of a change, in grey levels, from which it counts in full."""


def _seen(pictures: Pixels) -> Floats:
    """Visibility of each picture's change, [C] in [0, 1]: a warped blue sky is still a blue sky."""
    apart = pictures.astype(np.float32) - pictures[0]
    return np.minimum(np.sqrt(np.square(apart).mean((1, 2, 3))) / _SEEN_LEVELS, 1).astype(np.float32)
