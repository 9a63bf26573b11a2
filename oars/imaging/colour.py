"""Keeps the LR's colour in the SR: generative decoders drift in hue and brightness, and no detail needs that.

The low frequencies of the SR are replaced by those of the LR: SR + up(G * (LR - down(SR))), with a Gaussian G of a few
LR pixels. This is the low-pass half of the wavelet colour correction known from StableSR, computed at the LR's size.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from oars.imaging.tiling import LR_ROWS
from oars.precision import in_one_thread

Pixels = NDArray[np.uint8]

SIGMA = 3.0
"""LR pixels: about the reach of five wavelet levels at x4; wide enough to average the LR's noise away (ours)."""


def keep_colour(sr: Pixels, lr: Pixels, sigma: float = SIGMA) -> Pixels:
    """`sr` uint8 [H, W, 3] with the low frequencies of `lr` uint8 [h, w, 3]; mean colours then agree up to clipping.

    Besides its result it takes some two floats a channel of `lr`. Raises ValueError if the sides of `sr` are not the
    same whole multiple of those of `lr`.
    """
    height, width = lr.shape[:2]
    scale = sr.shape[0] // height
    if sr.shape[:2] != (height * scale, width * scale):
        raise ValueError(f"SR of {sr.shape[1]}x{sr.shape[0]} px is no multiple of LR of {width}x{height} px")
    bands = [slice(top, min(top + LR_ROWS, height)) for top in range(0, height, LR_ROWS)]
    drift = np.concatenate([lr[band] - _reduced(sr[_rows(band, scale)], scale) for band in bands])
    # scipy's "reflect" repeats the border pixel, which keeps the mean exactly.
    drift = gaussian_filter(drift, (sigma, sigma, 0), mode="reflect")
    corrected = np.empty_like(sr)
    for band in bands:
        rows = _rows(band, scale)
        corrected[rows] = np.rint(np.clip(sr[rows] + _enlarged(drift, band, scale), 0, 255))
    return corrected


def _rows(band: slice, scale: int) -> slice:
    return slice(band.start * scale, band.stop * scale)


def _reduced(sr: Pixels, scale: int) -> NDArray[np.float32]:
    """float32 [H / scale, W / scale, 3]: means of blocks."""
    height, width = (side // scale for side in sr.shape[:2])
    means: NDArray[np.float32] = sr.reshape(height, scale, width, scale, 3).mean((1, 3), dtype=np.float32)
    return means


def _enlarged(drift: NDArray[np.float32], band: slice, scale: int) -> NDArray[np.float32]:
    """Bilinear, the band's rows alone: a row beside each end is what they are interpolated with."""
    first, last = max(band.start - 1, 0), min(band.stop + 1, len(drift))
    tensor = torch.from_numpy(np.ascontiguousarray(drift[first:last].transpose(2, 0, 1)))[None]
    with in_one_thread():
        enlarged: Tensor = F.interpolate(tensor, scale_factor=scale, mode="bilinear")
    skipped = (band.start - first) * scale
    return enlarged[0, :, skipped : skipped + (band.stop - band.start) * scale].permute(1, 2, 0).numpy()
