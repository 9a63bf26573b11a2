"""Image files and bytes, checked at the gateway: whatever comes in leaves as RGB uint8 [H, W, 3] or as one clear error.

Size limits are checked on the header, before a pixel is decoded. Alpha is composited on white, as a page shows it;
16-bit is rounded to 8; EXIF rotation is applied; of an animation the first frame counts; CMYK is converted without a
colour profile, and embedded profiles are ignored: the numbers are taken as sRGB.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from oars.errors import UserError

Pixels = NDArray[np.uint8]

MIN_SIDE = 8
"""Pixels; below this there is nothing to restore from (a 1x1 image is an error)."""
MAX_PIXELS = 64 * 1024 * 1024
"""Pixels of a file from a user: a large camera's photo; the x4 output has 16 times as many."""
LOSSLESS_FORMATS = ("PNG", "WEBP")
_PNG = b"\x89PNG\r\n\x1a\n"

# What Pillow's decoders raise on bad bytes, by experience: each plugin has its favourites.
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


class BadImage(UserError, ValueError):
    """An image that cannot be used; the message is one line naming it and what is wrong."""


def read_image(path: Path | str) -> Pixels:
    """Read an image file as RGB uint8 [H, W, 3].

    Raises BadImage for a file that is missing, no image, corrupt, truncated, below MIN_SIDE or above MAX_PIXELS.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BadImage(f"{path}: cannot be read: {error.strerror or error}") from error
    return _decode(data, str(path), MAX_PIXELS, None)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, from the header alone. Raises BadImage for what is missing or no image."""
    try:
        with Image.open(path) as image:
            return image.size
    except _DECODE_ERRORS as error:
        raise BadImage(f"{path}: cannot be read: {' '.join(str(error).split())}") from error


def decode_lossless(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS) -> Pixels:
    """PNG or lossless WebP bytes as RGB uint8 [H, W, 3]; `name` is how an error calls them.

    Raises BadImage for any other format, lossy WebP, corrupt bytes, or sizes outside MIN_SIDE and `max_pixels`.
    """
    if data[:4] == b"RIFF" and b"VP8 " in _webp_chunks(data):
        raise BadImage(f"{name}: lossy WebP; scores need PNG or lossless WebP")
    if (size := lossless_size(data)) is not None:
        # Before Pillow sees it: opening a WebP allocates its canvas.
        _check_size(size, name, max_pixels)
    return _decode(data, name, max_pixels, LOSSLESS_FORMATS)


def lossless_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that the header of PNG or WebP bytes claims; None if it is neither. Decodes nothing."""
    if data[:8] == _PNG and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        if data[12:16] == b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        if data[12:16] == b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def encode_png(image: Pixels) -> bytes:
    """Lossless PNG bytes of uint8 [H, W, 3]."""
    return _encode(image, "PNG", compress_level=1)


def encode_webp(image: Pixels) -> bytes:
    """Lossless WebP bytes of uint8 [H, W, 3]: smaller than PNG, slower to write."""
    return _encode(image, "WEBP", lossless=True, quality=20, method=0)


def _encode(image: Pixels, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, file_format, **options)
    return buffer.getvalue()


def _decode(data: bytes, name: str, max_pixels: int, formats: tuple[str, ...] | None) -> Pixels:
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            _check_size(image.size, name, max_pixels)
            return _to_rgb(ImageOps.exif_transpose(image), name)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{name}: not {' or '.join(formats or ('an image of a known format',))}") from error
    except _DECODE_ERRORS as error:
        raise BadImage(f"{name}: corrupt or truncated image: {' '.join(str(error).split())}") from error


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise BadImage(f"{name}: {width}x{height} px is too small, at least {MIN_SIDE}x{MIN_SIDE} is needed")
    if width * height > max_pixels:
        raise BadImage(f"{name}: {width}x{height} px is too large, at most {max_pixels} pixels are accepted")


def _to_rgb(image: Image.Image, name: str) -> Pixels:
    if image.mode == "F":
        raise BadImage(f"{name}: floating-point pixels have no known range; save as 8 or 16 bit")
    if image.mode.startswith("I"):
        # 16-bit greyscale; Pillow reads 16-bit colour as 8-bit by itself.
        levels = np.clip(np.asarray(image).astype(np.float64) / 257, 0, 255)
        return np.repeat(np.rint(levels).astype(np.uint8)[..., None], 3, axis=2)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.asarray(image.convert("RGB"))


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    """Names of the RIFF chunks of a WebP file."""
    position = 12
    while position + 8 <= len(data):
        yield data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
