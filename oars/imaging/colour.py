"""Keeps the LR's colour in the SR: generative decoders drift in hue and brightness, and no detail needs that.

The low frequencies of the SR are replaced by those of the LR: SR + up(G * (LR - down(SR))), with a Gaussian G of a few
LR pixels. This is the low-pass half of the wavelet colour correction known from StableSR, computed at the LR's size.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from oars.precision import in_one_thread

Pixels = NDArray[np.uint8]

SIGMA = 3.0
"""LR pixels: about the reach of five wavelet levels at x4; wide enough to average the LR's noise away (ours)."""


def keep_colour(sr: Pixels, lr: Pixels, sigma: float = SIGMA) -> Pixels:
    """`sr` uint8 [H, W, 3] with the low frequencies of `lr` uint8 [h, w, 3]; mean colours then agree up to clipping.

    Raises ValueError if the sides of `sr` are not the same whole multiple of those of `lr`.
    """
    scale = sr.shape[0] // lr.shape[0]
    if sr.shape[:2] != (lr.shape[0] * scale, lr.shape[1] * scale):
        raise ValueError(f"SR of {sr.shape[1]}x{sr.shape[0]} px is no multiple of LR of {lr.shape[1]}x{lr.shape[0]} px")
    small = sr.reshape(lr.shape[0], scale, lr.shape[1], scale, 3).mean((1, 3), dtype=np.float32)
    # scipy's "reflect" repeats the border pixel, which keeps the mean exactly.
    drift = gaussian_filter(lr - small, (sigma, sigma, 0), mode="reflect")
    tensor = torch.from_numpy(np.ascontiguousarray(drift.transpose(2, 0, 1)))[None]
    with in_one_thread():
        correction = F.interpolate(tensor, scale_factor=scale, mode="bilinear")[0].permute(1, 2, 0).numpy()
    corrected: NDArray[np.float32] = np.clip(sr + correction, 0, 255)
    return np.rint(corrected).astype(np.uint8)
