"""Every kind of image file comes in as RGB uint8, or as one clear line."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from oars.imaging.image_io import BadImage, decode_lossless, encode_png, encode_webp, read_image

Pixels = NDArray[np.uint8]

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def saved(tmp_path: Path, image: Image.Image, name: str = "photo.png", **options: Any) -> Path:
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_rgb_comes_back_as_it_is(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(saved(tmp_path, Image.fromarray(PIXELS))), PIXELS)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    name = "photo.tif" if mode == "CMYK" else "photo.png"
    image = read_image(saved(tmp_path, Image.fromarray(PIXELS).convert(mode), name))
    assert image.shape == (12, 20, 3) and image.dtype == np.uint8


def test_alpha_is_composited_on_white(tmp_path: Path) -> None:
    layer = np.dstack([np.zeros_like(PIXELS), np.full((12, 20), 255, np.uint8)])
    layer[:, :10, 3] = 0
    image = read_image(saved(tmp_path, Image.fromarray(layer)))
    assert (image[:, :10] == 255).all() and (image[:, 10:] == 0).all()


def test_transparent_palette_entry_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (10, 10), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert (read_image(saved(tmp_path, image, transparency=0)) == 255).all()


def test_16_bit_grey_is_scaled(tmp_path: Path) -> None:
    levels = np.linspace(0, 65535, 240).astype(np.uint16).reshape(12, 20)
    image = read_image(saved(tmp_path, Image.fromarray(levels)))
    np.testing.assert_array_equal(image[..., 1], np.rint(levels / 257))


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = read_image(saved(tmp_path, Image.fromarray(PIXELS), exif=exif))
    np.testing.assert_array_equal(image, np.rot90(PIXELS, -1))


def test_float_pixels_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.ones((12, 12), np.float32)), "photo.tif")
    with pytest.raises(BadImage, match="floating-point"):
        read_image(path)


def jpeg_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.tile(PIXELS, (10, 10, 1))).save(buffer, "JPEG")
    return buffer.getvalue()


def broken_png() -> bytes:
    data = bytearray(encode_png(np.tile(PIXELS, (10, 10, 1))))
    data[60:90] = bytes(30)
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not an image"),
        (b"hello", "not an image"),
        (jpeg_bytes()[:900], "corrupt or truncated"),
        (encode_png(PIXELS)[:100], "corrupt or truncated"),
        (broken_png(), "corrupt or truncated"),
        (encode_png(PIXELS[:1, :1]), "1x1 px is too small"),
    ],
    ids=["empty", "text", "cut-jpeg", "cut-png", "broken-png", "1x1"],
)
def test_bad_files_are_one_line_that_names_the_file(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(BadImage, match=complaint) as raised:
        read_image(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=r"none\.png: cannot be read: No such file"):
        read_image(tmp_path / "none.png")


def huge_png(width: int, height: int) -> bytes:
    """A valid header that promises many pixels, and no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize("side", [9000, 60000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_by_their_header(side: int) -> None:
    with pytest.raises(BadImage):
        decode_lossless(huge_png(side, side))


def test_own_limit_counts_pixels() -> None:
    with pytest.raises(BadImage, match="too large, at most 100"):
        decode_lossless(encode_png(PIXELS), max_pixels=100)


@pytest.mark.parametrize("encode", [encode_png, encode_webp])
def test_lossless_round_trip(encode: Callable[[Pixels], bytes]) -> None:
    np.testing.assert_array_equal(decode_lossless(encode(PIXELS)), PIXELS)


def test_lossy_formats_are_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "WEBP", quality=90)
    with pytest.raises(BadImage, match="candidate 3: lossy WebP"):
        decode_lossless(buffer.getvalue(), "candidate 3")
    with pytest.raises(BadImage, match="not PNG or WEBP"):
        decode_lossless(jpeg_bytes())
