"""The panel of metrics that tables and summary.json report, with their names and directions in one place."""

import numpy as np
from numpy.typing import NDArray

from oars.metrics.no_reference import brisque, niqe32
from oars.metrics.pixel import psnr, ssim

Pixels = NDArray[np.uint8]

HIGHER_IS_BETTER = {"psnr": True, "ssim": True, "stlpips": False, "cvvdp": True, "niqe32": False, "brisque": False}
"""Metric -> direction. psnr dB; ssim at most 1; stlpips a distance; cvvdp JOD, at most 10; the last two distances."""


def full_reference(sr: Pixels, gt: Pixels) -> dict[str, float]:
    """psnr, ssim, stlpips, cvvdp of `sr` against `gt`, both uint8 [H, W, 3]."""
    # Here, because it loads network weights, which the no-reference half does not need.
    from oars.metrics.perceptual import cvvdp, stlpips

    return {"psnr": psnr(sr, gt), "ssim": ssim(sr, gt), "stlpips": stlpips(sr, gt), "cvvdp": cvvdp(sr, gt)}


def no_reference(sr: Pixels) -> dict[str, float]:
    """niqe32 and brisque of `sr` uint8 [H, W, 3], at least 48 px a side; neither labels nor rewards ever use them."""
    return {"niqe32": niqe32(sr), "brisque": brisque(sr)}
