"""Blur kernels of the Real-ESRGAN degradation: six Gaussian-like shapes and the circular low-pass (sinc).

Every kernel is float64 [size, size], symmetric under a half turn, and sums to 1. Source: Real-ESRGAN, section 3.1 and
3.3; the generalised and plateau densities are those of Liu et al. 2020 and of BSRGAN-style training.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import j1

from oars.config.degradation import Interval, KernelConfig, Sizes

Kernel = NDArray[np.float64]

_PI = float(np.pi)
# Cut-off frequencies of random sinc kernels, rad / pixel: small kernels cannot carry a low cut-off.
_CUTOFF_LOW_SMALL, _CUTOFF_LOW_LARGE, _SMALL_SIZE = _PI / 3, _PI / 5, 13


def draw_kernel(config: KernelConfig, rng: np.random.Generator) -> Kernel:
    """One random kernel of a degradation stage."""
    size = draw_size(config.size, rng)
    if rng.random() < config.sinc:
        low = _CUTOFF_LOW_SMALL if size < _SMALL_SIZE else _CUTOFF_LOW_LARGE
        return sinc_kernel(size, rng.uniform(low, _PI))
    shapes = config.shapes
    shape = str(rng.choice(list(shapes), p=np.array(list(shapes.values())) / sum(shapes.values())))
    return _draw_shape(shape, size, config, rng)


def draw_final_sinc(sizes: Sizes, rng: np.random.Generator) -> Kernel:
    """The sinc of the last step: its cut-off does not depend on its size."""
    return sinc_kernel(draw_size(sizes, rng), rng.uniform(_PI / 3, _PI))


def draw_size(sizes: Sizes, rng: np.random.Generator) -> int:
    """A random odd side within the bounds."""
    return int(rng.choice(np.arange(sizes[0], sizes[1] + 1, 2)))


def _draw_shape(shape: str, size: int, config: KernelConfig, rng: np.random.Generator) -> Kernel:
    sigma_x = sigma_y = rng.uniform(*config.sigma)
    angle = 0.0
    if shape.endswith("anisotropic"):
        sigma_y, angle = rng.uniform(*config.sigma), rng.uniform(-_PI, _PI)
    distance = squared_distance(size, sigma_x, sigma_y, angle)
    if shape.startswith("plateau"):
        return plateau_kernel(distance, _draw_beta(config.beta_plateau, rng))
    beta = _draw_beta(config.beta_generalised, rng) if shape.startswith("generalised") else 1.0
    return gaussian_kernel(distance, beta)


def _draw_beta(bounds: Interval, rng: np.random.Generator) -> float:
    """Below or above 1 with equal chance, clipped to the bounds."""
    low, high = bounds
    if rng.random() < 0.5:
        return rng.uniform(low, max(low, min(1.0, high)))
    return rng.uniform(min(high, max(1.0, low)), high)


def squared_distance(size: int, sigma_x: float, sigma_y: float, angle: float) -> Kernel:
    """Mahalanobis distance squared of every cell to the centre, for axes turned by `angle` radians."""
    axis = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(axis, axis)
    along = (x * np.cos(angle) + y * np.sin(angle)) / sigma_x
    across = (-x * np.sin(angle) + y * np.cos(angle)) / sigma_y
    return np.asarray(along**2 + across**2)


def gaussian_kernel(distance: Kernel, beta: float = 1.0) -> Kernel:
    """exp(-d^beta / 2), normalised; beta = 1 is the Gaussian."""
    return _normalised(np.exp(-0.5 * distance**beta))


def plateau_kernel(distance: Kernel, beta: float) -> Kernel:
    """1 / (1 + d^beta), normalised: a flat top with slow tails."""
    return _normalised(1 / (1 + distance**beta))


def sinc_kernel(size: int, cutoff: float) -> Kernel:
    """Ideal circular low-pass of `cutoff` rad / pixel: cutoff J1(cutoff r) / (2 pi r), normalised."""
    axis = np.arange(size) - (size - 1) / 2
    radius = np.hypot(*np.meshgrid(axis, axis))
    radius[size // 2, size // 2] = 1.0
    kernel = cutoff * j1(cutoff * radius) / (2 * _PI * radius)
    kernel[size // 2, size // 2] = cutoff**2 / (4 * _PI)
    return _normalised(kernel)


def _normalised(kernel: Kernel) -> Kernel:
    return np.asarray(kernel / kernel.sum())
