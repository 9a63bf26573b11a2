"""Ripples: thin echoes beside strong edges, which decoders and sharpening leave in flat places. Ours.

Looked for where the truth is flat and a strong edge is near, but not so near that a blurred edge reaches there. What
differs from the mean of a small square is taken, so that a slope is none; of its local strengths the median, so that an
edge which the output has put elsewhere decides nothing.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, uniform_filter

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_WINDOW = 5
"""Pixels: waves of 2 to 8 px stand out from the mean of such a square."""
_FLAT, _EDGE = 2.0, 20.0
"""Grey levels: the local strength in a flat place at most, at a strong edge at least."""
_NEAR, _FAR = 4.0, 12.0
"""Pixels from a strong edge."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def added_ripples(picture: Pixels, truth: Pixels) -> float:
    """Strength of the fine waves of `picture` beyond those of `truth`, both uint8 [H, W, 3], in grey levels (rms).

    0 where the truth has no flat place beside a strong edge, or where the picture is as smooth.
    """
    strength = _fine_strength(truth)
    distance = distance_transform_edt(strength < _EDGE) if (strength >= _EDGE).any() else np.zeros(strength.shape)
    places = (strength <= _FLAT) & (distance >= _NEAR) & (distance <= _FAR)
    if not places.any():
        return 0.0
    return max(0.0, float(np.median(_fine_strength(picture)[places]) - np.median(strength[places])))


def _fine_strength(picture: Pixels) -> Floats:
    """Local rms of what differs from the mean around, [H, W]."""
    grey = picture.astype(np.float32) @ _LUMA
    return np.sqrt(uniform_filter(np.square(grey - uniform_filter(grey, _WINDOW)), _WINDOW))
