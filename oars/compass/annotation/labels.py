"""Labels of a transition from full-reference metrics: fidelity F in [0, 1], quality Q in [1, 5].

  F = p * (1 - SHARE * s) * (1 - SHARE * c)   p: perceptual closeness of SR to GT, s: structure error, c: colour error
  Q = 1 + 4 * (v + p') / 2                    v: visible quality, p': perceptual closeness, to what it depicts

Each of p, s, c, v is a ramp of one metric (ST-LPIPS, 1 - SSIM at half size, colour difference, JOD) from its perfect
value to a bound that is fitted as a percentile of the training transitions, clipped to [0, 1]. So F and Q fall
monotonically in every error. ST-LPIPS forgives shifts and small colour changes by design: the other two terms do not.
Ours: the paper takes DISTS for F and human-like anchors and ranks for Q.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]

SHARE = 0.7
"""Share of F that the worst structure or colour error takes away."""
PERFECT_JOD = 10.0
_BOUND_PERCENTILE = 95


@dataclass(frozen=True)
class Errors:
    """Raw metrics of N pictures, float32 [N]: against GT for fidelity, against what they depict for quality."""

    stlpips: Values
    structure: Values
    colour: Values
    jod: Values
    depicted_stlpips: Values

    @classmethod
    def concatenate(cls, parts: list["Errors"]) -> "Errors":
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


@dataclass(frozen=True)
class LabelMap:
    """The fitted bounds; stored with the judge, so that its scale is known."""

    stlpips: float
    structure: float
    colour: float
    jod: float

    @classmethod
    def fit(cls, errors: Errors) -> "LabelMap":
        """Bounds at the 95th percentile of each error."""
        bound = lambda values: float(np.percentile(values, _BOUND_PERCENTILE))  # noqa: E731
        return cls(
            bound(errors.stlpips),
            bound(errors.structure),
            bound(errors.colour),
            PERFECT_JOD - bound(PERFECT_JOD - errors.jod),
        )

    def fidelity(self, errors: Errors) -> Values:
        """F float32 [N] in [0, 1]."""
        perceptual = 1 - _ramp(errors.stlpips, self.stlpips)
        structure, colour = _ramp(errors.structure, self.structure), _ramp(errors.colour, self.colour)
        return np.asarray(perceptual * (1 - SHARE * structure) * (1 - SHARE * colour), dtype=np.float32)

    def quality(self, errors: Errors) -> Values:
        """Q float32 [N] in [1, 5]."""
        visible = 1 - _ramp(PERFECT_JOD - errors.jod, PERFECT_JOD - self.jod)
        perceptual = 1 - _ramp(errors.depicted_stlpips, self.stlpips)
        return np.asarray(1 + 2 * (visible + perceptual), dtype=np.float32)


def _ramp(error: Values, bound: float) -> Values:
    return np.clip(error / bound, 0, 1)


def structure_error(image: Pixels, gt: Pixels) -> float:
    """1 - SSIM of the grey images at half size: 0 for equal, up to 2."""
    half = [_reduced(x.mean(-1, keepdims=True), 2)[..., 0] for x in (image, gt)]
    return 1 - float(structural_similarity(*half, data_range=255))


def colour_error(image: Pixels, gt: Pixels) -> float:
    """Mean CIE 1976 colour difference between 8 x 8 means: blind to detail."""
    means = [rgb2lab(_reduced(x, 8) / 255) for x in (image, gt)]
    return float(np.linalg.norm(means[0] - means[1], axis=-1).mean())


def _reduced(image: NDArray[np.generic], factor: int) -> NDArray[np.float64]:
    height, width, channels = image.shape
    return image.reshape(height // factor, factor, width // factor, factor, channels).mean((1, 3), dtype=np.float64)
