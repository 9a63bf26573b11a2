"""PSNR and SSIM on RGB, uint8, all pixels (no border is cut, no luma conversion)."""

import math

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

Pixels = NDArray[np.uint8]

PSNR_CAP = 100.0
"""dB given to identical images, so that means stay finite."""


def psnr(sr: Pixels, gt: Pixels) -> float:
    """Peak signal-to-noise ratio, dB, of uint8 [H, W, 3]; at most PSNR_CAP. Raises ValueError if shapes differ."""
    _check_shapes(sr, gt)
    error = float(np.square(sr.astype(np.float64) - gt).mean())
    return PSNR_CAP if error == 0 else min(PSNR_CAP, 10 * math.log10(255**2 / error))


def ssim(sr: Pixels, gt: Pixels) -> float:
    """Structural similarity (Wang et al. 2004: Gaussian window, sigma 1.5), mean over R, G, B; at most 1.

    Needs 11 pixels a side. Raises ValueError if shapes differ or are too small.
    """
    _check_shapes(sr, gt)
    return float(
        structural_similarity(
            sr, gt, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def _check_shapes(sr: Pixels, gt: Pixels) -> None:
    if sr.shape != gt.shape:
        raise ValueError(f"SR {sr.shape} and GT {gt.shape} differ in shape")
