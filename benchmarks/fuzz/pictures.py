"""Pictures that should not have been sent: truncated, corrupt, huge, odd, lying, or of the wrong kind. Seeded."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

Draw = np.random.Generator

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "YCbCr", "HSV", "F", "I")
_FORMATS = ("PNG", "WEBP", "JPEG", "GIF", "BMP", "TIFF", "ICO", "PPM", "TGA")
_HUGE = (2**31 - 1, 2**20, 65_536, 30_000, 0)


def good(draw: Draw, side: int) -> np.ndarray:
    """uint8 [side, side, 3], smooth enough to be like a picture."""
    return draw.integers(0, 256, (side // 8, side // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)


def png(pixels: np.ndarray) -> bytes:
    return _save(Image.fromarray(pixels), "PNG") or b""


def bad(draw: Draw, side: int) -> bytes:
    """One bad, or at least odd, picture."""
    return _KINDS[draw.integers(len(_KINDS))](draw, side)


def _save(image: Image.Image, form: str, **options: object) -> bytes | None:
    buffer = io.BytesIO()
    try:
        image.save(buffer, form, **options)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a mode that this format cannot hold
    return buffer.getvalue()


def _encoded(draw: Draw, side: int) -> bytes:
    form = "PNG" if draw.random() < 0.6 else "WEBP"
    return _save(Image.fromarray(good(draw, side)), form, lossless=True) or b""


def _noise(draw: Draw, side: int) -> bytes:
    return draw.bytes(int(draw.integers(0, 4000)))


def _signature(draw: Draw, side: int) -> bytes:
    return _encoded(draw, side)[: int(draw.integers(1, 40))] + draw.bytes(int(draw.integers(0, 400)))


def _truncated(draw: Draw, side: int) -> bytes:
    data = _encoded(draw, side)
    return data[: int(draw.integers(0, len(data)))]


def _flipped(draw: Draw, side: int) -> bytes:
    data = bytearray(_encoded(draw, side))
    for _ in range(int(draw.integers(1, 30))):
        data[int(draw.integers(len(data)))] ^= int(draw.integers(1, 256))
    return bytes(data)


def _spliced(draw: Draw, side: int) -> bytes:
    data = _encoded(draw, side)
    at, count = int(draw.integers(len(data))), int(draw.integers(1, 200))
    return data[:at] + draw.bytes(count) + data[at + int(draw.integers(0, count)) :]


def _odd_mode(draw: Draw, side: int) -> bytes:
    image = Image.fromarray(good(draw, side))
    mode = _MODES[draw.integers(len(_MODES))]
    image = Image.fromarray(draw.integers(0, 65_536, (side, side), np.uint16)) if mode == "I;16" else image
    image = image if mode == "I;16" else image.convert(mode if mode != "F" else "L").convert(mode)
    return _save(image, _FORMATS[draw.integers(len(_FORMATS))]) or b""


def _odd_size(draw: Draw, side: int) -> bytes:
    height, width = (int(10 ** draw.uniform(0, 3.2)) for _ in range(2))
    return _save(Image.new("RGB", (width, height), "red"), "PNG") or b""


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _lying_png(draw: Draw, side: int) -> bytes:
    """A header that claims what the data does not hold; its checksum is right."""
    width, height = (int(_HUGE[draw.integers(len(_HUGE))]) for _ in range(2))
    depth, colour = int(draw.choice([1, 8, 16, 3])), int(draw.integers(0, 8))
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(draw.integers(0, 3))))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(b"\0" * 10_000)) + _chunk(b"IEND", b"")


def _lying_webp(draw: Draw, side: int) -> bytes:
    """A canvas of up to 16384 x 16384 around a small picture."""
    data = bytearray(_save(Image.fromarray(good(draw, side)), "WEBP", lossless=True) or b"")
    if draw.random() < 0.5:
        data[21:25] = draw.bytes(4)
        return bytes(data)
    head = b"VP8X" + struct.pack("<I", 10) + draw.bytes(1) + b"\0\0\0" + b"\xff\x3f\x00" * 2
    body = b"WEBP" + head + bytes(data[12:])
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _bomb(draw: Draw, side: int) -> bytes:
    """A real picture of very many equal pixels: a few kilobytes that would be a hundred megabytes."""
    return _zeros(int(draw.choice([2000, 3000, 6000])))


# Packing them is slow; what is sent need not differ.
@cache
def _zeros(width: int) -> bytes:
    return _save(Image.new("L", (width, width)), "PNG") or b""


def _text_bomb(draw: Draw, side: int) -> bytes:
    return _long_text(int(draw.choice([10**6, 10**7])))


@cache
def _long_text(length: int) -> bytes:
    info = PngInfo()
    info.add_text("k", "a" * length, zip=True)
    return _save(Image.new("RGB", (64, 64)), "PNG", pnginfo=info) or b""


def _profile(draw: Draw, side: int) -> bytes:
    return _save(Image.fromarray(good(draw, side)), "PNG", icc_profile=b"\0" * 10**6) or b""


def _animated(draw: Draw, side: int) -> bytes:
    frames = [Image.fromarray(good(draw, side)) for _ in range(3)]
    form = "PNG" if draw.random() < 0.5 else "WEBP"
    return _save(frames[0], form, save_all=True, append_images=frames[1:], lossless=True) or b""


_KINDS: tuple[Callable[[Draw, int], bytes], ...] = (
    *(_noise, _signature, _truncated, _flipped, _spliced, _odd_mode, _odd_mode, _odd_size),
    *(_lying_png, _lying_webp, _bomb, _text_bomb, _profile, _animated),
)
