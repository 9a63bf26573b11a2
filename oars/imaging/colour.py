"""Keeps the LR's colour in the SR: generative decoders drift in hue and brightness, and no detail needs that.

`low_pass` replaces the low frequencies of the SR by those of the LR: SR + up(G * (LR - down(SR))), with a Gaussian G of
a few LR pixels, at the LR's size. `wavelet` and `adain` are the two corrections of StableSR: the same exchange over
five levels of an undecimated wavelet at the SR's size, and the LR's mean and deviation in each channel. All of them go
over bands of rows, so that none holds the picture.
"""

from collections.abc import Iterator
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d, gaussian_filter

from oars.imaging.tiling import LR_ROWS

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
ColourFix = Literal["low_pass", "wavelet", "adain", "none"]

SIGMA = 3.0
"""LR pixels: about the reach of five wavelet levels at x4; wide enough to average the LR's noise away (ours)."""
LEVELS = 5
"""Of the wavelet (StableSR)."""
_REACH = 2**LEVELS - 1
"""SR rows that a row of the wavelet's low frequencies depends on, to each side."""


class Rows(Protocol):
    """uint8 [H, W, 3], in memory or not."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Pixels: ...


def keep_colour(sr: Pixels, lr: Pixels, fix: ColourFix = "low_pass") -> Pixels:
    """`corrected_rows` of a picture in memory."""
    return np.concatenate(list(corrected_rows(sr, lr, fix)))


def corrected_rows(sr: Rows, lr: Pixels, fix: ColourFix) -> Iterator[Pixels]:
    """Bands of rows of `sr` [H, W, 3] with the colours of `lr` uint8 [h, w, 3]; mean colours then agree up to clipping.

    Raises ValueError if the sides of `sr` are not the same whole multiple of those of `lr`.
    """
    height, width = lr.shape[:2]
    scale = sr.shape[0] // height
    if tuple(sr.shape[:2]) != (height * scale, width * scale):
        raise ValueError(f"SR of {sr.shape[1]}x{sr.shape[0]} px is no multiple of LR of {width}x{height} px")
    bands = [slice(top, min(top + LR_ROWS, height)) for top in range(0, height, LR_ROWS)]
    if fix == "none":
        yield from (sr[_rows(band, scale)] for band in bands)
        return
    correct = {"low_pass": _low_pass, "wavelet": _wavelet, "adain": _adain}[fix]
    for corrected in correct(sr, lr, bands, scale):
        yield np.rint(np.clip(corrected, 0, 255)).astype(np.uint8)


def _low_pass(sr: Rows, lr: Pixels, bands: list[slice], scale: int) -> Iterator[Floats]:
    drift = np.concatenate([lr[band] - _reduced(sr[_rows(band, scale)], scale) for band in bands])
    # scipy's "reflect" repeats the border pixel, which keeps the mean exactly.
    drift = gaussian_filter(drift, (SIGMA, SIGMA, 0), mode="reflect")
    for band in bands:
        yield sr[_rows(band, scale)] + _enlarged(drift, band, scale)


def _wavelet(sr: Rows, lr: Pixels, bands: list[slice], scale: int) -> Iterator[Floats]:
    content, height = Image.fromarray(lr), sr.shape[0]
    for band in bands:
        rows = _rows(band, scale)
        reach = slice(max(0, rows.start - _REACH), min(height, rows.stop + _REACH))
        box = (0, reach.start / scale, lr.shape[1], reach.stop / scale)
        size = (sr.shape[1], reach.stop - reach.start)
        wanted = np.asarray(content.resize(size, Image.Resampling.BICUBIC, box=box), np.float32)
        drawn = sr[reach].astype(np.float32)
        inner = slice(rows.start - reach.start, rows.stop - reach.start)
        yield drawn[inner] + _low_frequencies(wanted - drawn)[inner]


def _low_frequencies(pixels: Floats) -> Floats:
    """What five levels of the undecimated wavelet leave over: [1 2 1] / 4 with ever wider holes."""
    for level in range(LEVELS):
        kernel = np.zeros(2 ** (level + 1) + 1, np.float32)
        kernel[[0, 2**level, -1]] = (0.25, 0.5, 0.25)
        for axis in (0, 1):
            pixels = correlate1d(pixels, kernel, axis, mode="nearest")
    return pixels


def _adain(sr: Rows, lr: Pixels, bands: list[slice], scale: int) -> Iterator[Floats]:
    count = sr.shape[0] * sr.shape[1]
    sums = np.sum([_moments(sr[_rows(band, scale)]) for band in bands], axis=0)
    mean = sums[0] / count
    deviation = np.sqrt(np.maximum(sums[1] / count - mean**2, 0))
    wanted = lr.reshape(-1, 3)
    # A channel without contrast has nothing to be stretched.
    gain = np.where(deviation > 0, wanted.std(0) / np.maximum(deviation, 1e-6), 1.0)
    for band in bands:
        yield (((sr[_rows(band, scale)] - mean) * gain) + wanted.mean(0)).astype(np.float32)


def _moments(band: Pixels) -> NDArray[np.float64]:
    """[2, 3]: sums of the values and of their squares, by channel."""
    values = band.reshape(-1, 3).astype(np.float64)
    return np.stack([values.sum(0), (values**2).sum(0)])


def _rows(band: slice, scale: int) -> slice:
    return slice(band.start * scale, band.stop * scale)


def _reduced(sr: Pixels, scale: int) -> Floats:
    """float32 [H / scale, W / scale, 3]: means of blocks."""
    height, width = (side // scale for side in sr.shape[:2])
    means: Floats = sr.reshape(height, scale, width, scale, 3).mean((1, 3), dtype=np.float32)
    return means


def _enlarged(drift: Floats, band: slice, scale: int) -> Floats:
    """Bilinear, the band's rows alone: a row beside each end is what they are interpolated with."""
    import torch  # seconds: a command says first what can be refused without it
    from torch.nn.functional import interpolate

    from oars.precision import in_one_thread

    first, last = max(band.start - 1, 0), min(band.stop + 1, len(drift))
    tensor = torch.from_numpy(np.ascontiguousarray(drift[first:last].transpose(2, 0, 1)))[None]
    with in_one_thread():
        enlarged: torch.Tensor = interpolate(tensor, scale_factor=scale, mode="bilinear")
    skipped = (band.start - first) * scale
    return enlarged[0, :, skipped : skipped + (band.stop - band.start) * scale].permute(1, 2, 0).numpy()
