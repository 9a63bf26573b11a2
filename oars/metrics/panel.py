"""The panel of metrics that tables and summary.json report, with their names and directions in one place."""

import numpy as np
from numpy.typing import NDArray

from oars.config.alarms import LEAST_WATCHED_LR
from oars.metrics.lattice import colour_speckle
from oars.metrics.no_reference import brisque, niqe32
from oars.metrics.pixel import psnr, ssim
from oars.metrics.place import place
from oars.metrics.ripples import added_ripples

Pixels = NDArray[np.uint8]

HIGHER_IS_BETTER = {"psnr": True, "ssim": True, "stlpips": False, "cvvdp": True, "niqe32": False, "brisque": False}
"""Metric -> direction. psnr dB; ssim at most 1; stlpips a distance; cvvdp JOD, at most 10; the last two distances."""

FAULTS = ("lattice", "added_speckle", "added_ripples", "shift")
"""What else is measured of outputs: power of the lattice that a model's outputs have in common (squared grey levels),
coloured speckle and ripples beside edges beyond the truth's (levels), pixels between output and LR. 0 is none, more is
worse."""


def faults(sr: Pixels, gt: Pixels, lr: Pixels) -> dict[str, float]:
    """All of one output but the lattice, which is of many. Without a shift where `lr` is under 16 px."""
    added = {
        "added_speckle": max(0.0, colour_speckle(sr) - colour_speckle(gt)),
        "added_ripples": added_ripples(sr, gt),
    }
    return added | ({"shift": place(sr, lr).shift} if min(lr.shape[:2]) >= LEAST_WATCHED_LR else {})


def full_reference(sr: Pixels, gt: Pixels) -> dict[str, float]:
    """psnr, ssim, stlpips, cvvdp of `sr` against `gt`, both uint8 [H, W, 3]."""
    # Here, because it loads network weights, which the no-reference half does not need.
    from oars.metrics.perceptual import cvvdp, stlpips

    return {"psnr": psnr(sr, gt), "ssim": ssim(sr, gt), "stlpips": stlpips(sr, gt), "cvvdp": cvvdp(sr, gt)}


def no_reference(sr: Pixels) -> dict[str, float]:
    """niqe32 and brisque of `sr` uint8 [H, W, 3], at least 48 px a side; neither labels nor rewards ever use them."""
    return {"niqe32": niqe32(sr), "brisque": brisque(sr)}
