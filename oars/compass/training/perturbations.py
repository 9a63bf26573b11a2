"""Pictures whose order is known without any metric: one picture, changed ever more (ours).

What a group of SR methods never shows is two pictures that differ in one thing: the same picture with and without a
cast, a grid, an object in another place. Reinforcement learning finds such differences if the judge does not see them.
So a training batch brings, beside each group, a ladder: a picture of the group, and the same one at growing strengths
of one change. How much each score should fall along the ladder is a property of the change (`MARGINS`), no measurement.

The probes of `oars/evaluation/probes.py` ask the same questions with other changes, of photos that no training saw.
Images are float32 [H, W, 3] in [0, 255]; a strength is in [0, 1], 0 changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oars.compass.data.artefacts import to_pixels
from oars.imaging.masks import disc_at, random_disc

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

Change = Callable[[Floats, Floats, float, np.random.Generator], Floats]
"""(picture, another photo's picture, strength, randomness) to the changed picture; more at a greater strength."""


def cast(image: Floats, foreign: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Up to 40 levels, in a random direction of colour."""
    direction = rng.normal(size=3)
    return image + (40 * strength * direction / np.abs(direction).max()).astype(np.float32)


def exchange(image: Floats, foreign: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Two discs of up to a quarter of the side in radius change places."""
    sides = np.array(image.shape[:2])
    here, shift = rng.uniform(0, sides), rng.integers(sides // 4, sides * 3 // 4)
    original = image
    for (y, x), offset in ((here, -shift), ((here + shift) % sides, shift)):
        mask = disc_at(image.shape[:2], y, x, strength * sides.min() / 4)
        image = mask * np.roll(original, tuple(offset), (0, 1)) + (1 - mask) * image
    return image


def warp(image: Floats, foreign: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Shapes moved by a smooth field of up to 4 px (standard deviation)."""
    scale = rng.uniform(4, 10)
    field = ndimage.gaussian_filter(rng.normal(size=(2, *image.shape[:2])), (0, scale, scale))
    where = np.mgrid[: image.shape[0], : image.shape[1]] + 4 * strength * field / field.std()
    channels = [ndimage.map_coordinates(image[..., c], where, order=1, mode="reflect") for c in range(3)]
    return np.stack(channels, -1).astype(np.float32)


def foreign_content(image: Floats, foreign: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """A disc of up to 0.45 of the side in radius is another photo's."""
    mask = random_disc(image.shape[:2], 0.45 * strength, rng)
    return mask * foreign + (1 - mask) * image


def texture(image: Floats, foreign: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Fine oriented waves of up to 35 levels over a disc."""
    mask = random_disc(image.shape[:2], rng.uniform(0.2, 0.5), rng)
    y, x = np.indices(image.shape[:2])
    angle, period = rng.uniform(0, np.pi), rng.uniform(2.5, 7)
    phase = ndimage.gaussian_filter(rng.normal(size=image.shape[:2]), 5) * rng.uniform(0, 25)
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + phase)
    return image + np.float32(35 * strength) * mask * wave[..., None].astype(np.float32)


def grid(image: Floats, foreign: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Checks, rows or columns of period 2 to 4 and up to 20 levels."""
    period, kind = int(rng.integers(2, 5)), int(rng.integers(3))
    y, x = np.indices(image.shape[:2])
    odd = (y * (kind != 1) * 2 // period + x * (kind != 0) * 2 // period) % 2
    return image + np.float32(20 * strength) * (1 - 2 * odd)[..., None].astype(np.float32)


def grain(image: Floats, foreign: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """White noise of up to 24 levels, of one channel or three."""
    noise = rng.normal(size=(*image.shape[:2], int(rng.choice([1, 3]))))
    return image + np.float32(24 * strength) * noise.astype(np.float32)


MARGINS: dict[Change, tuple[float, float]] = {
    cast: (0.3, 0.1),
    exchange: (0.3, 0.05),
    warp: (0.3, 0.05),
    foreign_content: (0.3, 0.05),
    texture: (0.3, 0.1),
    grid: (0.15, 0.3),
    grain: (0.1, 0.3),
}
"""Margins by which F and Q_SR should fall at full strength, as shares of the score's range. Quality falls a little with
every change, so that it does not hide a loss of fidelity."""


@dataclass(frozen=True)
class Ladder:
    """One picture at C growing strengths, the first unchanged: uint8 [C, H, W, 3], margins [C, 2] of F and Q_SR."""

    pictures: Pixels
    margins: Floats


def draw_ladder(picture: Pixels, foreign: Pixels, length: int, rng: np.random.Generator) -> Ladder:
    """A random change of `picture` at 0 and `length` - 1 random strengths; both pictures uint8 [H, W, 3]."""
    perturbations = list(MARGINS)
    change, seed = perturbations[rng.integers(len(perturbations))], int(rng.integers(1 << 32))
    strengths = np.concatenate([[0.0], np.sort(rng.uniform(0.1, 1.0, length - 1))]).astype(np.float32)
    image, other = picture.astype(np.float32), foreign.astype(np.float32)
    # The same draws at every strength: only the strength differs.
    changed = [to_pixels(change(image, other, float(s), np.random.default_rng(seed))) for s in strengths[1:]]
    pictures = np.stack([picture, *changed])
    return Ladder(pictures, (strengths * _seen(pictures))[:, None] * np.array(MARGINS[change], np.float32))


_SEEN_LEVELS = 6.0
"""Root mean square of a change, in grey levels, from which it counts in full."""


def _seen(pictures: Pixels) -> Floats:
    """Visibility of each picture's change, [C] in [0, 1]: a warped blue sky is still a blue sky."""
    apart = pictures.astype(np.float32) - pictures[0]
    return np.minimum(np.sqrt(np.square(apart).mean((1, 2, 3))) / _SEEN_LEVELS, 1).astype(np.float32)
