"""Statistics of natural scenes that NIQE and BRISQUE are made of: MSCN coefficients and their generalised Gaussians.

MSCN (mean subtracted, contrast normalised): (I - mu) / (sigma + c) with a 7x7 Gaussian window of sigma 7/6.
AGGD (asymmetric generalised Gaussian): shape alpha, left and right scale, by moment matching (Lasmar et al. 2009).
Source: Mittal et al., BRISQUE (TIP 2012) and NIQE (SPL 2013).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.special import gamma

Floats = NDArray[np.float64]

# Same window as the originals: 7 taps, sigma 7/6, normalised.
_WINDOW = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
_WINDOW /= _WINDOW.sum()
# The originals search the shape on this grid; the ratio grows with it, so a binary search does.
_ALPHAS = np.arange(0.2, 10, 0.001)
_RATIOS = gamma(2 / _ALPHAS) ** 2 / (gamma(1 / _ALPHAS) * gamma(3 / _ALPHAS))
_TINY = 1e-12


class Aggd(NamedTuple):
    """Fitted parameters, one entry per row of samples."""

    alpha: Floats
    """Shape, 0.2 to 10; 2 is the Gaussian."""
    left: Floats
    """Root mean square of the negative samples."""
    right: Floats
    """Root mean square of the others."""

    @property
    def ratio(self) -> Floats:
        """sqrt(Gamma(1/alpha) / Gamma(3/alpha)): turns a root mean square into a scale parameter."""
        return np.asarray(np.sqrt(gamma(1 / self.alpha) / gamma(3 / self.alpha)))

    @property
    def tail(self) -> Floats:
        """Gamma(2/alpha) / Gamma(1/alpha), the factor in the mean."""
        return np.asarray(gamma(2 / self.alpha) / gamma(1 / self.alpha))


def mscn(image: Floats, c: float, border: Literal["nearest", "constant"]) -> Floats:
    """MSCN coefficients of a grey image [H, W]; `c` is 1 for 0..255 and 1/255 for 0..1; `constant` pads with 0."""
    mean = _window(image, border)
    deviation = np.sqrt(np.abs(_window(image**2, border) - mean**2))
    return np.asarray((image - mean) / (deviation + c))


def _window(image: Floats, border: str) -> Floats:
    return np.asarray(correlate1d(correlate1d(image, _WINDOW, 0, mode=border), _WINDOW, 1, mode=border))


def fit_aggd(samples: Floats) -> Aggd:
    """Fit every row of `samples` [B, N]; constant rows give finite parameters too."""
    squares, negative = samples**2, samples < 0
    left = np.sqrt((squares * negative).sum(-1) / np.maximum(1, negative.sum(-1)))
    right = np.sqrt((squares * ~negative).sum(-1) / np.maximum(1, (~negative).sum(-1)))
    skew = left / np.maximum(right, _TINY)
    peak = np.abs(samples).mean(-1) ** 2 / np.maximum(squares.mean(-1), _TINY)
    target = peak * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    above = np.clip(np.searchsorted(_RATIOS, target), 1, len(_RATIOS) - 1)
    nearest = np.where(target - _RATIOS[above - 1] < _RATIOS[above] - target, above - 1, above)
    return Aggd(_ALPHAS[nearest], left, right)
