"""A judge of one's own, and the reward that it gives: no language model, no checkpoint.

judge: {class_path: docs.examples.sharpness.Sharpness}
reward: {function: docs.examples.sharpness.sharp_reward, best: 1}
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class Sharpness:
    """Reads how strong a picture's edges are, and how far it is from its input."""

    readings = ("sharpness", "distance")

    def score(self, lr: Pixels, candidates: list[Pixels]) -> list[Mapping[str, float]]:
        return [{"sharpness": sharpness(sr), "distance": distance(lr, sr)} for sr in candidates]


def sharp_reward(sharpness: float, distance: float, weight: float = 4.0) -> float:
    return sharpness - weight * distance


def sharpness(picture: Pixels) -> float:
    """Mean absolute difference of neighbours, 0 to 1."""
    return float(np.abs(np.diff(picture.astype(np.float32), axis=1)).mean() / 255)


def distance(lr: Pixels, sr: Pixels) -> float:
    """Mean absolute difference of the input and the candidate reduced to its size, 0 to 1."""
    height, width, _ = lr.shape
    reduced = sr.reshape(height, sr.shape[0] // height, width, sr.shape[1] // width, 3).mean((1, 3))
    return float(np.abs(reduced - lr).mean() / 255)
