"""Ways to spoil a picture: the one library behind random candidates, training ladders and the probes of a judge (ours).

A perturbation takes (image, strength, rng): strength 0 changes nothing, 1 is the full amount that its docstring states.
What it draws (a place, a direction, a period) does not depend on the strength, so one seed at growing strengths gives a
ladder of one change. Patterns and filters below it are in natural units. Images are float32 [H, W, 3] in [0, 255];
results are not clipped (`to_pixels`).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oars.imaging.masks import disc_at, random_disc

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Size = tuple[int, int]
Perturbation = Callable[[Floats, float, np.random.Generator], Floats]
LatticeKind = Literal["checks", "rows", "columns", "lines"]

LATTICE_KINDS: tuple[LatticeKind, ...] = ("rows", "columns", "checks", "lines")
MIN_PERIOD, MAX_PERIOD = 2, 32
"""Pixels: from what an upsampling layer leaves to the seams of latent patches."""


def to_pixels(image: NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


# filters and patterns


def blurred(image: Floats, sigma: float) -> Floats:
    """Gaussian, `sigma` in pixels."""
    return np.asarray(ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest"), dtype=np.float32)


def sharpened(image: Floats, sigma: float, amount: float) -> Floats:
    """Unsharp mask: `amount` times what a blur of `sigma` pixels removes is added."""
    return image + np.float32(amount) * (image - blurred(image, sigma))


def waves(size: Size, rng: np.random.Generator) -> NDArray[np.float64]:
    """Oriented waves of 2.5 to 7 px with a bent phase, [H, W, 1] in [-1, 1]."""
    y, x = np.indices(size)
    angle, period = rng.uniform(0, np.pi), rng.uniform(2.5, 7)
    phase = ndimage.gaussian_filter(rng.normal(size=size), 5) * rng.uniform(0, 25)
    return np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + phase)[..., None]


def lattice_pattern(size: Size, period: int, kind: LatticeKind, offset: int = 0) -> NDArray[np.float64]:
    """[H, W, 1], 1 and -1: fields of half a period, or dark lines of 1 px around fields of a period."""
    y, x = np.indices(size) + offset
    if kind == "lines":
        dark = (y % period == 0) | (x % period == 0)
    else:
        dark = ((kind != "columns") * (y * 2 // period) + (kind != "rows") * (x * 2 // period)) % 2
    return (1.0 - 2.0 * dark)[..., None]


def displacement(size: Size, rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random field [2, H, W] for `moved`."""
    scale = rng.uniform(4, 10)
    return ndimage.gaussian_filter(rng.normal(size=(2, *size)), (0, scale, scale))


def moved(image: Floats, field: NDArray[np.float64], deviation: float) -> Floats:
    """Each pixel taken from beside its place, by `field` at a standard deviation of `deviation` pixels."""
    where = np.indices(image.shape[:2]) + field * (deviation / max(float(field.std()), 1e-6))
    channels = [ndimage.map_coordinates(image[..., c], where, order=1, mode="reflect") for c in range(3)]
    return np.stack(channels, -1).astype(np.float32)


# perturbations of quality


def blur(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Up to sigma 3 px."""
    return blurred(image, 3 * strength)


def oversharpening(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Halos 1.5 px wide, of up to four times the local contrast."""
    return sharpened(image, 1.5, 4 * strength)


def ringing(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Ripples of about 4 px beside edges: what lies between two blurs, added up to three times."""
    return image + np.float32(3 * strength) * (blurred(image, 0.8) - blurred(image, 1.6))


def grain(image: Floats, strength: float, rng: np.random.Generator, channels: int | None = None) -> Floats:
    """White noise of up to 24 levels, of one channel or three (drawn unless given)."""
    noise = rng.normal(size=(*image.shape[:2], channels or int(rng.choice([1, 3]))))
    return image + np.float32(24 * strength) * noise.astype(np.float32)


def grid(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Checks, rows or columns of period 2 to 4 and up to 20 levels."""
    period, kind = int(rng.integers(2, 5)), LATTICE_KINDS[rng.integers(3)]
    return image + np.float32(20 * strength) * lattice_pattern(image.shape[:2], period, kind).astype(np.float32)


def checkerboard(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Period 2, of up to 12 levels, as an upsampling layer leaves it."""
    return image + np.float32(12 * strength) * lattice_pattern(image.shape[:2], 2, "checks").astype(np.float32)


def lattice(image: Floats, strength: float, rng: np.random.Generator, period: int | None = None) -> Floats:
    """Checks, rows, columns or lines of MIN_PERIOD to MAX_PERIOD px (drawn unless given), of up to 16 levels.

    The mean brightness stays. Strength 1/32 is the weakest that 8-bit pixels show: half a level.
    """
    period = int(rng.integers(MIN_PERIOD, MAX_PERIOD + 1)) if period is None else period
    kind, offset = LATTICE_KINDS[rng.integers(len(LATTICE_KINDS))], int(rng.integers(MAX_PERIOD))
    pattern = lattice_pattern(image.shape[:2], period, kind, offset)
    return image + np.float32(16 * strength) * (pattern - pattern.mean()).astype(np.float32)


# perturbations of fidelity


def colour_shift(
    image: Floats, strength: float, rng: np.random.Generator, direction: tuple[float, float, float] | None = None
) -> Floats:
    """A cast of up to 40 levels in a direction of colour (drawn unless given)."""
    towards = np.asarray(rng.normal(size=3) if direction is None else direction)
    return image + (40 * strength * towards / np.abs(towards).max()).astype(np.float32)


def texture_painting(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Fine oriented waves of up to 35 levels over a disc: detail that is in no photo."""
    mask = random_disc(image.shape[:2], rng.uniform(0.2, 0.5), rng)
    return image + np.float32(35 * strength) * mask * waves(image.shape[:2], rng).astype(np.float32)


def warp(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Shapes moved by a smooth field of up to 4 px (standard deviation)."""
    return moved(image, displacement(image.shape[:2], rng), 4 * strength)


def object_moved(image: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Two discs of up to a quarter of the side in radius change places."""
    sides = np.array(image.shape[:2])
    here, shift = rng.uniform(0, sides), rng.integers(sides // 4, sides * 3 // 4)
    original = image
    for (y, x), offset in ((here, -shift), ((here + shift) % sides, shift)):
        mask = disc_at(image.shape[:2], y, x, strength * sides.min() / 4)
        image = mask * np.roll(original, tuple(offset), (0, 1)) + (1 - mask) * image
    return image


def foreign_content(image: Floats, strength: float, rng: np.random.Generator, foreign: Floats) -> Floats:
    """A disc of up to 0.45 of the side in radius is another photo's, `foreign` of the same size."""
    mask = random_disc(image.shape[:2], 0.45 * strength, rng)
    return mask * foreign + (1 - mask) * image
