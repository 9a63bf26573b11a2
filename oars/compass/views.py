"""The judge's views: the LR and each candidate at one size, so that it compares aligned pictures."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_ASPECT = 200
"""Longest side of a picture in shortest ones: what Qwen's processor takes."""


def lr_view(lr: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The LR uint8 [h, w, 3] resized bicubic to [height, width, 3]; itself if it has that size."""
    if lr.shape[:2] == (height, width):
        return lr
    return np.asarray(Image.fromarray(lr).resize((width, height), Image.Resampling.BICUBIC))


def judge_views(
    lr: NDArray[np.uint8], candidates: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]:
    """LR uint8 [h, w, 3] and candidates uint8 [K, H, W, 3] to the LR at [H, W, 3] and K candidates.

    Every backend of the judge takes its pictures from here, so that all score identical pixels. Ours: the paper does
    not say at which size the judge sees the LR.
    """
    return lr_view(lr, *candidates.shape[1:3]), list(candidates)
