"""Embedded colour profiles: whatever a picture's numbers mean, they come out as sRGB, which every model here was
trained on.

The conversion is relative colorimetric with black point compensation, as viewers do it. A profile that cannot be read,
or that is for another kind of pixels, is ignored: the numbers are then taken as sRGB, as they are without a profile.
"""

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.uint8]

_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
# Levels by which a profile of sRGB, as cameras write it in several roundings, may move a colour; others move more.
_ROUNDING = 2
# Colours a side of the cube on which two profiles are compared.
_PROBES = 9


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """`image` of mode L, RGB or CMYK as RGB; `profile` is its ICC profile."""
    transform = _transform(profile, image.mode) if profile else None
    if transform is None or (image.mode == "RGB" and _changes_nothing(transform)):
        return image.convert("RGB")
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # it is None for a conversion in place
    return converted


def to_profile(profile: bytes | None) -> Callable[[Pixels], Pixels] | None:
    """The way back: sRGB uint8 [H, W, 3] to the numbers of `profile`. None without one of RGB pixels."""
    there = _transform(profile, "RGB") if profile else None
    if profile is None or there is None:
        return None
    if _changes_nothing(there):
        return lambda pixels: pixels
    try:
        target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        back = ImageCms.buildTransform(_srgb(), target, "RGB", "RGB", _INTENT, _FLAGS)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None  # of a camera's or scanner's input, which has no way back
    return lambda pixels: np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), back))


def _transform(profile: bytes, mode: str) -> Any:
    """The conversion of `mode` to sRGB; None for a profile that cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, _srgb(), mode, "RGB", _INTENT, _FLAGS)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _changes_nothing(transform: Any) -> bool:
    """Tried on colours of the whole cube, as a profile's name promises nothing."""
    axis = np.linspace(0, 255, _PROBES).astype(np.uint8)
    cube = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(_PROBES**2, _PROBES, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), transform)).astype(int)
    return int(np.abs(moved - cube).max()) <= _ROUNDING
