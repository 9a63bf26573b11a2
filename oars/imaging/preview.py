"""A small picture of one group, for a person to look at."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# High enough to show texture; 24 candidates of this size are a picture of 5 megapixels.
_SIDE = 256


def side_by_side(lr: NDArray[np.uint8], images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """LR [h, w, 3] and candidates [K, H, W, 3] in one row, all of one size and at most 256 pixels high.

    Returns uint8 [H', (K + 1) W', 3].
    """
    height, width = images.shape[1:3]
    scale = min(1.0, _SIDE / height)
    size = (round(width * scale), round(height * scale))
    shown = [Image.fromarray(image).resize(size, Image.Resampling.BICUBIC) for image in (lr, *images)]
    return np.concatenate([np.asarray(image) for image in shown], axis=1)
