"""Enhancers without weights: interpolation, sharpening, back-projection, denoising. uint8 [h, w, 3] -> [H, W, 3].

Unlike the random draws of `oars.compass.data.artefacts`, each of these is one fixed method, as a column of a data set
is.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from oars.imaging.perturbations import Floats, Pixels, sharpened, to_pixels

_NOISE_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)

Method = Callable[[Pixels, int], Pixels]


def bicubic(lr: Pixels, scale: int) -> Pixels:
    return _resized(lr, scale, Image.Resampling.BICUBIC)


def lanczos(lr: Pixels, scale: int) -> Pixels:
    return _resized(lr, scale, Image.Resampling.LANCZOS)


def unsharp(lr: Pixels, scale: int) -> Pixels:
    """Bicubic, then an unsharp mask strong enough to show its halos."""
    return to_pixels(sharpened(_floats(bicubic(lr, scale)), sigma=scale / 2, amount=1.2))


def back_projection(lr: Pixels, scale: int) -> Pixels:
    """Iterative back-projection (Irani and Peleg 1991): the result, box-reduced, agrees with the LR, noise included."""
    image, target = _floats(bicubic(lr, scale)), _floats(lr)
    height, width = target.shape[:2]
    for _ in range(8):
        reduced = image.reshape(height, scale, width, scale, 3).mean((1, 3))
        channels = [
            Image.fromarray(error).resize((width * scale, height * scale), Image.Resampling.BICUBIC)
            for error in np.moveaxis(target - reduced, -1, 0)
        ]
        image = image + np.stack([np.asarray(channel) for channel in channels], -1)
    return to_pixels(image)


def tv_sharpen(lr: Pixels, scale: int) -> Pixels:
    """Total-variation denoising of the LR, bicubic, unsharp: clean and flat, with crisp edges."""
    smooth = denoise_tv_chambolle(lr / 255, weight=0.08, channel_axis=-1, max_num_iter=60)
    return to_pixels(sharpened(_floats(bicubic(to_pixels(_floats(smooth * 255)), scale)), scale / 2, 1.0))


def nonlocal_sharpen(lr: Pixels, scale: int) -> Pixels:
    """Non-local means at the noise level that the LR seems to have, bicubic, light unsharp."""
    unit = lr / 255
    sigma = noise_level(unit)
    smooth = denoise_nl_means(
        unit, h=0.8 * sigma, sigma=sigma, patch_size=3, patch_distance=5, fast_mode=True, channel_axis=-1
    )
    return to_pixels(sharpened(_floats(bicubic(to_pixels(_floats(smooth * 255)), scale)), scale / 2, 0.6))


METHODS: dict[str, Method] = {
    method.__name__: method for method in (bicubic, lanczos, unsharp, back_projection, tv_sharpen, nonlocal_sharpen)
}


def noise_level(image: NDArray[np.floating]) -> float:
    """Standard deviation of white noise in [h, w, 3], in the image's unit (Immerkaer 1996): the mean magnitude of a
    mask that plane and linear content do not pass."""
    passed = np.stack([convolve(channel, _NOISE_MASK, mode="reflect") for channel in np.moveaxis(image, -1, 0)])
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(passed).mean())


def _resized(lr: Pixels, scale: int, mode: Image.Resampling) -> Pixels:
    height, width = lr.shape[:2]
    return np.asarray(Image.fromarray(lr).resize((width * scale, height * scale), mode))


def _floats(image: np.ndarray) -> Floats:
    return np.asarray(image, dtype=np.float32)
