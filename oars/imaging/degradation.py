"""The Real-ESRGAN second-order degradation: GT -> LR, every draw out of one seed.

Source: Real-ESRGAN (Wang et al. 2021), figure 2, with the numbers of `oars.config.degradation`. Per order: blur,
random resize, noise, JPEG; the second order's sizes are relative to the LR. At the end resize to `1 / scale`, sinc and
JPEG in one of two sequences, rounded to 8 bits. The blur acts on the sharpened GT. Images are float32 [H, W, 3] in
[0, 1] in between, unrounded, as published. Borders are reflected, however large the kernel is.
"""

import io

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import fftconvolve

from oars.config.degradation import DegradationConfig, NoiseConfig, ResizeConfig, SharpenConfig, StageConfig
from oars.imaging.kernels import Kernel, draw_final_sinc, draw_kernel, gaussian_kernel, squared_distance
from oars.precision import in_one_thread
from oars.seeds import derive_seed

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
_MODES = ("area", "bilinear", "bicubic")
_LUMA = np.array([0.2989, 0.587, 0.114], np.float32)  # ITU-R 601, for grey noise


def degrade(gt: Pixels, config: DegradationConfig, seed: int, scale: int) -> Pixels:
    """Degrade `gt` uint8 [H, W, 3] to an LR uint8 [H / scale, W / scale, 3]; the same seed gives the same bytes.

    Raises ValueError if a side of `gt` is no multiple of `scale`.
    """
    height, width = gt.shape[:2]
    if height % scale or width % scale:
        raise ValueError(f"GT of {width}x{height} px cannot be reduced by {scale}: sides must be multiples of it")
    rng = np.random.default_rng(derive_seed("degradation", seed))
    small = (height // scale, width // scale)
    image = _stage(sharpen(_unit(gt), config.sharpen), config.first, (height, width), rng)
    image = _stage(image, config.second, small, rng, jpeg=False)
    return np.rint(_finish(image, config, small, rng) * 255).astype(np.uint8)


def degrade_once(image: Pixels, config: StageConfig, seed: int) -> Pixels:
    """One order alone on uint8 [H, W, 3], without sharpening; the size follows the order's own resize."""
    rng = np.random.default_rng(derive_seed("degradation", seed))
    degraded = _stage(_unit(image), config, image.shape[:2], rng)
    return np.rint(degraded * 255).astype(np.uint8)


def _stage(
    image: Floats, config: StageConfig, reference: tuple[int, int], rng: np.random.Generator, jpeg: bool = True
) -> Floats:
    """One order; the resize factor is relative to `reference` (height, width)."""
    if rng.random() < config.blur:
        image = blur(image, draw_kernel(config.kernel, rng))
    image = resize(image, _draw_size(config.resize, reference, rng), _draw_mode(rng))
    image = add_noise(image, config.noise, rng)
    return compress(image, _draw_quality(config, rng)) if jpeg else image


def _finish(image: Floats, config: DegradationConfig, size: tuple[int, int], rng: np.random.Generator) -> Floats:
    """The second order's JPEG, and the resize to the LR's size with its sinc, in a random sequence."""
    quality, mode = _draw_quality(config.second, rng), _draw_mode(rng)
    sinc = draw_final_sinc(config.final_size, rng) if rng.random() < config.final_sinc else None
    jpeg_last = rng.random() < config.jpeg_last
    image = image if jpeg_last else compress(image, quality)
    image = resize(image, size, mode)
    image = image if sinc is None else blur(image, sinc)
    return compress(image, quality) if jpeg_last else np.clip(image, 0, 1)


def _draw_size(config: ResizeConfig, reference: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    choice, (low, high) = rng.random(), config.factor
    if choice < config.up:
        factor = rng.uniform(1, max(1, high))
    else:
        factor = rng.uniform(min(1, low), 1) if choice < config.up + config.down else 1.0
    return max(1, int(reference[0] * factor)), max(1, int(reference[1] * factor))


def _draw_mode(rng: np.random.Generator) -> str:
    return _MODES[rng.integers(len(_MODES))]


def _draw_quality(config: StageConfig, rng: np.random.Generator) -> int:
    return int(rng.integers(*config.jpeg_quality, endpoint=True))


def sharpen(image: Floats, config: SharpenConfig) -> Floats:
    """Unsharp mask where the detail exceeds the threshold, blended through a blurred mask; [H, W, 3] in [0, 1]."""
    if config.weight == 0:
        return image
    side = config.radius + 1 - config.radius % 2
    sigma = 0.3 * ((side - 1) * 0.5 - 1) + 0.8
    line = gaussian_kernel(squared_distance(side, sigma, sigma, 0.0)).sum(0)
    detail = image - _blur_separable(image, line)
    mask = (np.abs(detail) * 255 > config.threshold).astype(np.float32)
    soft = _blur_separable(mask, line)
    return np.asarray(image + soft * (np.clip(image + config.weight * detail, 0, 1) - image), np.float32)


def blur(image: Floats, kernel: Kernel) -> Floats:
    """Correlate every channel with `kernel` [k, k], k odd, borders reflected; keeps the size."""
    return _correlate(image, kernel)


def _blur_separable(image: Floats, line: NDArray[np.float64]) -> Floats:
    return _correlate(_correlate(image, line[None]), line[:, None])


def _correlate(image: Floats, kernel: Kernel) -> Floats:
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    # numpy reflects repeatedly where the kernel is larger than the image; torch would refuse.
    padded = np.pad(image, ((rows, rows), (columns, columns), (0, 0)), mode="reflect")
    # By FFT: several times faster than a direct 21x21 sum, and in one thread.
    flipped = kernel[::-1, ::-1, None].astype(np.float32)
    return np.asarray(fftconvolve(padded, flipped, mode="valid", axes=(0, 1)), np.float32)


def resize(image: Floats, size: tuple[int, int], mode: str) -> Floats:
    """Resize to (height, width) by `area`, `bilinear` or `bicubic`, without antialiasing, as published."""
    if image.shape[:2] == size:
        return image
    with in_one_thread():  # bilinear takes another path in several
        return _to_array(F.interpolate(_to_tensor(image), size=size, mode=mode))


def add_noise(image: Floats, config: NoiseConfig, rng: np.random.Generator) -> Floats:
    """Gaussian or Poisson noise, of one channel or of three; clipped to [0, 1]."""
    gaussian, grey = rng.random() < config.gaussian, rng.random() < config.grey
    if gaussian:
        shape = (*image.shape[:2], 1 if grey else 3)
        noise = rng.standard_normal(shape, np.float32) * (rng.uniform(*config.sigma) / 255)
    else:
        noise = _poisson(image, grey, rng) * rng.uniform(*config.poisson_scale)
    return np.asarray(np.clip(image + noise, 0, 1), np.float32)


def _poisson(image: Floats, grey: bool, rng: np.random.Generator) -> Floats:
    """Shot noise of the 8-bit image: Poisson counts at 2^ceil(log2(number of distinct levels)) photons for white."""
    light = image @ _LUMA[:, None] if grey else image
    levels = np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)
    photons = 2.0 ** np.ceil(np.log2(np.count_nonzero(np.bincount(levels.ravel()))))
    light = levels / np.float32(255)
    return np.asarray(rng.poisson(light * photons) / photons - light, np.float32)


def compress(image: Floats, quality: int) -> Floats:
    """Through libjpeg in memory at `quality` 1..100, 4:2:0 chroma."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return _unit(np.asarray(Image.open(buffer)))


def _unit(image: Pixels) -> Floats:
    """8-bit levels to [0, 1]."""
    return image.astype(np.float32) / np.float32(255)


def _to_tensor(image: Floats) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def _to_array(tensor: torch.Tensor) -> Floats:
    return np.ascontiguousarray(tensor[0].permute(1, 2, 0).numpy())
