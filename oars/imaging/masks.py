"""Soft round masks, float32 [H, W, 1] in [0, 1], one pixel of slope on either side of the rim."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.float32]


def disc_at(shape: tuple[int, int], y: float, x: float, radius: float) -> Mask:
    """A disc around (y, x) of `radius`, pixels; empty where that is 0."""
    rows, columns = np.indices(shape)
    distance = np.hypot(rows - y, columns - x)
    return np.clip((radius - distance) / 2 + 0.5, 0, 1).astype(np.float32)[..., None]


def random_disc(shape: tuple[int, int], radius: float, rng: np.random.Generator) -> Mask:
    """A disc of `radius` (share of the shorter side), fully inside the picture where it fits."""
    size = radius * min(shape)
    y, x = (rng.uniform(min(size, side / 2), max(side - size, side / 2)) for side in shape)
    return disc_at(shape, y, x, size)
