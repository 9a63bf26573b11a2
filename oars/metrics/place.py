"""Where an output lies on its input: shift and zoom, which editing models add and no metric of quality names.

Both pictures are compared at the LR's size, in four overlapping quarters: the mean of their displacements is the shift,
and how these grow from the centre is the zoom. Ours; displacements by cross-correlation (Guizar-Sicairos et al. 2008).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.registration import phase_cross_correlation

from oars.config.alarms import LEAST_WATCHED_LR

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

_FINE = 50
"""Steps to a pixel of the LR in which displacements are found."""
_SHADE = 4.0
"""LR pixels: coarser shades are taken away, because they have no place."""
_QUARTER = 2 / 3
"""Side of a quarter, as a share of the picture's: the four overlap, so that each has enough to be found by."""
_LUMA = np.array([0.299, 0.587, 0.114])


class Place(NamedTuple):
    """Displacement of the output, in pixels of the output, and its enlargement."""

    down: float
    right: float
    zoom: float
    """1 is none; 1.01 shows 1 % less of the scene."""

    @property
    def shift(self) -> float:
        """Pixels."""
        return float(np.hypot(self.down, self.right))


def place(sr: Pixels | Floats, lr: Pixels) -> Place:
    """Place of `sr` [H, W, 3] in 0..255 on `lr` uint8 [h, w, 3]; H and W are one whole multiple of h and w, 16 or more.

    A picture without detail has none: it reads as (0, 0, 1). A single crop errs by some tenths of a pixel: take the
    median of several. Raises ValueError for other sizes.
    """
    height, width = lr.shape[:2]
    scale = sr.shape[0] // height
    if sr.shape[:2] != (height * scale, width * scale) or min(height, width) < LEAST_WATCHED_LR:
        raise ValueError(f"SR of {sr.shape[1]}x{sr.shape[0]} px has no place on LR of {width}x{height} px")
    ours = (sr @ _LUMA).reshape(height, scale, width, scale).mean((1, 3))
    theirs = lr @ _LUMA
    tall, wide = round(height * _QUARTER), round(width * _QUARTER)
    quarters = [np.s_[top : top + tall, left : left + wide] for top in (0, height - tall) for left in (0, width - wide)]
    found = np.array([_moved(ours[quarter], theirs[quarter]) for quarter in quarters]).reshape(2, 2, 2)
    down, right = found.mean((0, 1)) * scale
    tallest, widest = found[1, :, 0] - found[0, :, 0], found[:, 1, 1] - found[:, 0, 1]
    zoom = 1 + (tallest.mean() / (height - tall) + widest.mean() / (width - wide)) / 2
    return Place(float(down), float(right), float(zoom))


def _moved(ours: Floats, theirs: Floats) -> Floats:
    """Displacement of `ours` against `theirs` of the same shape: (down, right), in their pixels."""
    a, b = _detail(ours), _detail(theirs)
    if a.std() < 1 or b.std() < 1:
        return np.zeros(2)
    shift, _, _ = phase_cross_correlation(a, b, upsample_factor=_FINE, normalization=None)
    return np.asarray(shift)


def _detail(grey: Floats) -> Floats:
    fine = grey - gaussian_filter(grey, _SHADE)
    return np.asarray(fine * np.hanning(grey.shape[0])[:, None] * np.hanning(grey.shape[1]))
