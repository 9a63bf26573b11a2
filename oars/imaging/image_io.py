"""Image files and bytes, checked at the gateway: whatever comes in leaves as RGB uint8 [H, W, 3] or as one clear error.

Size limits are checked on the header, before a pixel is decoded. Colours are converted to sRGB by the embedded profile
(oars/imaging/srgb.py); alpha is composited on white, as a page shows it, unless it is asked for; 16-bit is rounded to
8; EXIF rotation is applied, where EXIF can be read; of an animation the first frame counts.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from oars.errors import UserError
from oars.files import write_whole
from oars.imaging.srgb import to_srgb
from oars.memory import NotEnoughMemory, check_memory
from oars.names import printable

Pixels = NDArray[np.uint8]

MIN_SIDE = 8
"""Pixels; below this there is nothing to restore from (a 1x1 image is an error)."""
MAX_INPUT_PIXELS = 64 * 1024 * 1024
"""Pixels of a photo to enlarge: a large camera's."""
MAX_PIXELS = 16 * MAX_INPUT_PIXELS
"""Pixels of any picture: what a photo has after x4, so that whatever is written here can be read here."""
LOSSLESS_FORMATS = ("PNG", "WEBP")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_ORIENTATION = 0x0112  # EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pillow's four bytes a pixel, our three, and one for what a conversion takes.
_DECODED_BYTES = 8

# What Pillow's decoders raise on bad bytes, by experience: each plugin has its favourites.
DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError, struct.error)
# Its own limit is below what a large photo becomes; ours stand above and are checked on every header.
Image.MAX_IMAGE_PIXELS = None


class BadImage(UserError, ValueError):
    """An image that cannot be used; the message is one line naming it and what is wrong."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture, sRGB."""

    rgb: Pixels
    """[H, W, 3], not multiplied by alpha."""
    alpha: Pixels | None
    """[H, W], 255 is opaque; None where all of it is."""

    def on_white(self) -> Pixels:
        """[H, W, 3]"""
        if self.alpha is None:
            return self.rgb
        layer = Image.fromarray(np.dstack([self.rgb, self.alpha]))
        return np.asarray(Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB"))


def read_image(path: Path | str) -> Pixels:
    """Read an image file as RGB uint8 [H, W, 3], laid on white.

    Raises BadImage for a file that is missing, no image, corrupt, truncated, below MIN_SIDE or above MAX_PIXELS, or
    larger than free memory.
    """
    return read_picture(path).on_white()


def read_picture(path: Path | str, max_pixels: int = MAX_PIXELS) -> Picture:
    """The same with its transparency."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BadImage(f"{printable(path)}: cannot be read: {error.strerror or error}") from error
    return decode_picture(data, printable(path), max_pixels)


def decode_picture(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Picture:
    """The same of a file's bytes; `name` is how an error calls them."""
    return _decode(data, name, max_pixels, None)


def image_size(stream: BinaryIO, name: str) -> tuple[int, int]:
    """Width and height, from the header alone. Raises BadImage calling the picture `name`."""
    try:
        with Image.open(stream) as image:
            return image.size
    except UnidentifiedImageError as error:
        raise BadImage(f"{name}: not an image of a known format") from error
    except DECODE_ERRORS as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadImage(f"{name}: cannot be read: {reason}") from error


def check_whole(stream: BinaryIO, name: str) -> tuple[int, int]:
    """Width and height of a picture that can be read to its end, by its header and its last bytes.

    One that does not end as its format does is decoded. Raises BadImage calling the picture `name`.
    """
    size = image_size(stream, name)
    _check_size(size, name, MAX_PIXELS)
    if not _ends_well(stream):
        stream.seek(0)
        decode_picture(stream.read(), name)
    return size


def _ends_well(stream: BinaryIO) -> bool:
    """True if the file is whole, by the end of JPEG and PNG and the length in WebP; False for other formats, too."""
    stream.seek(0)
    start, length = stream.read(12), stream.seek(0, io.SEEK_END)
    stream.seek(max(0, length - len(_PNG_END)))
    end = stream.read()
    if start[:4] == b"RIFF":
        return length >= 8 + int.from_bytes(start[4:8], "little")
    return end == _PNG_END if start[:8] == _PNG else start[:2] == _JPEG and end[-2:] == _JPEG_END


def decode_lossless(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS) -> Pixels:
    """PNG or lossless WebP bytes as RGB uint8 [H, W, 3]; `name` is how an error calls them.

    Raises BadImage for any other format, lossy WebP, corrupt bytes, or sizes outside MIN_SIDE and `max_pixels`.
    """
    if data[:4] == b"RIFF" and b"VP8 " in _webp_chunks(data):
        raise BadImage(f"{name}: lossy WebP; scores need PNG or lossless WebP")
    return _decode(data, name, max_pixels, LOSSLESS_FORMATS).on_white()


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
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def write_png(path: Path, image: Pixels) -> None:
    """A file of uint8 [H, W, 3], or [H, W, 4] with alpha; whole or not there."""
    write_whole(path, lambda aside: Image.fromarray(image).save(aside, "PNG", compress_level=1))


def _decode(data: bytes, name: str, max_pixels: int, formats: tuple[str, ...] | None) -> Picture:
    if (size := lossless_size(data)) is not None:
        # Before Pillow sees it: opening a WebP allocates its canvas.
        _check_size(size, name, max_pixels)
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            _check_size(image.size, name, max_pixels)
            image.load()
            return _picture(upright(image), name)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{name}: not {' or '.join(formats or ('an image of a known format',))}") from error
    except DECODE_ERRORS as error:
        raise BadImage(f"{name}: corrupt or truncated image: {' '.join(str(error).split())}") from error


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise BadImage(f"{name}: {width}x{height} px is too small, at least {MIN_SIDE}x{MIN_SIDE} is needed")
    if width * height > max_pixels:
        raise BadImage(f"{name}: {width}x{height} px is too large, at most {max_pixels} pixels are accepted")
    try:
        check_memory(f"{name}: {width}x{height} px", width * height * _DECODED_BYTES)
    except NotEnoughMemory as error:
        raise BadImage(str(error)) from error


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says; as it is where that cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about what it skips
            turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except DECODE_ERRORS:
        return image
    return image if turn is None else image.transpose(turn)


def _picture(image: Image.Image, name: str) -> Picture:
    if image.mode == "F":
        raise BadImage(f"{name}: floating-point pixels have no known range; save as 8 or 16 bit")
    if image.mode.startswith("I"):
        # 16-bit greyscale; Pillow reads 16-bit colour as 8-bit by itself.
        levels = np.clip(np.asarray(image).astype(np.float64) / 257, 0, 255)
        return Picture(np.repeat(np.rint(levels).astype(np.uint8)[..., None], 3, axis=2), None)
    colour = to_srgb(_without_alpha(image), image.info.get("icc_profile"))
    return Picture(np.asarray(colour), _alpha(image))


def _without_alpha(image: Image.Image) -> Image.Image:
    """In the mode that its colour profile speaks of."""
    if image.mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    return image if image.mode == "CMYK" else image.convert("RGB")


def _alpha(image: Image.Image) -> Pixels | None:
    if not image.has_transparency_data:
        return None
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return None if (alpha == 255).all() else alpha


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    """Names of the RIFF chunks of a WebP file."""
    position = 12
    while position + 8 <= len(data):
        yield data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
