"""Soft masks, float32 [H, W, 1] in [0, 1]: discs, one pixel of slope on either side of the rim, and random blobs."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.float32]


def disc_at(shape: tuple[int, int], y: float, x: float, radius: float) -> Mask:
    """A disc around (y, x) of `radius`, pixels; empty where that is 0."""
    rows, columns = np.indices(shape)
    distance = np.hypot(rows - y, columns - x)
    return (np.clip((radius - distance) / 2 + 0.5, 0, 1) * (radius > 0)).astype(np.float32)[..., None]


def random_disc(shape: tuple[int, int], radius: float, rng: np.random.Generator) -> Mask:
    """A disc of `radius` (share of the shorter side), fully inside the picture where it fits."""
    size = radius * min(shape)
    y, x = (rng.uniform(min(size, side / 2), max(side - size, side / 2)) for side in shape)
    return disc_at(shape, y, x, size)


def random_blobs(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """A random third or so of the picture."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(5, 12))
    threshold = np.quantile(field, rng.uniform(0.3, 0.8))
    softness = max(float(field.std()), 1e-6) * 0.2
    return (1 / (1 + np.exp(-np.clip((field - threshold) / softness, -30, 30)))).astype(np.float32)[..., None]
