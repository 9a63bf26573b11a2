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
from PIL import Image, ImageCms

from oars.imaging.image_io import (
    MAX_INPUT_PIXELS,
    BadImage,
    decode_lossless,
    encode_png,
    image_size,
    read_image,
    read_picture,
)

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


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exchanged() -> bytes:
    """sRGB with its red and green primaries exchanged."""
    tags = {
        SRGB[at : at + 4]: struct.unpack(">II", SRGB[at + 4 : at + 12]) for at in range(132, 132 + 12 * SRGB[131], 12)
    }
    (red, length), (green, _) = tags[b"rXYZ"], tags[b"gXYZ"]
    profile = bytearray(SRGB)
    profile[red : red + length], profile[green : green + length] = (
        SRGB[green : green + length],
        SRGB[red : red + length],
    )
    return bytes(profile)


SAVED_LOSSLESS: dict[str, dict[str, Any]] = {"png": {}, "tif": {}, "webp": {"lossless": True}}


@pytest.mark.parametrize("kind", SAVED_LOSSLESS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_follow_the_embedded_profile(tmp_path: Path, kind: str, mode: str) -> None:
    red = Image.new("RGB", (16, 16), (200, 40, 40)).convert(mode)
    path = saved(tmp_path, red, f"red.{kind}", icc_profile=exchanged(), **SAVED_LOSSLESS[kind])
    assert np.abs(read_image(path)[0, 0].astype(int) - (40, 200, 40)).max() <= 1


def test_a_door_reads_the_same_colours_as_a_file(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(PIXELS), icc_profile=exchanged())
    np.testing.assert_array_equal(decode_lossless(path.read_bytes()), read_image(path))


@pytest.mark.parametrize(
    "profile", [SRGB, SRGB[:200], b"nonsense", exchanged()[:300]], ids=["sRGB", "cut", "no", "half"]
)
def test_srgb_and_damaged_profiles_change_nothing(tmp_path: Path, profile: bytes) -> None:
    np.testing.assert_array_equal(read_image(saved(tmp_path, Image.fromarray(PIXELS), icc_profile=profile)), PIXELS)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK"])
def test_a_profile_for_other_pixels_is_ignored(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(PIXELS).convert(mode)
    name = "photo.tif" if mode == "CMYK" else "photo.png"
    profile = SRGB if mode != "P" else None
    np.testing.assert_array_equal(
        read_image(saved(tmp_path, image, name, icc_profile=profile)), read_image(saved(tmp_path, image, name))
    )


@pytest.mark.parametrize("exif", [b"garbage" * 3, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + 9 * b"\x01\x12\0\x03"])
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_exif_that_cannot_be_read_means_no_rotation(tmp_path: Path, kind: str, exif: bytes) -> None:
    path = saved(tmp_path, Image.fromarray(PIXELS), f"a.{kind}", exif=exif, **SAVED_LOSSLESS[kind])
    np.testing.assert_array_equal(read_image(path), PIXELS)
    np.testing.assert_array_equal(decode_lossless(path.read_bytes()), PIXELS)


def test_what_an_enlargement_has_can_be_read_again(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("L", (8400, 8000)), "sr.png")
    with path.open("rb") as stream:
        assert image_size(stream, path.name) == (8400, 8000)
    assert read_image(path).shape == (8000, 8400, 3)
    with pytest.raises(BadImage, match="too large"):
        read_picture(path, MAX_INPUT_PIXELS)


def test_transparency_is_there_for_who_asks(tmp_path: Path) -> None:
    alpha = np.full((12, 20), 255, np.uint8)
    alpha[:, :10] = 60
    picture = read_picture(saved(tmp_path, Image.fromarray(np.dstack([PIXELS, alpha]))))
    np.testing.assert_array_equal(picture.rgb, PIXELS)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, alpha)
    assert read_picture(saved(tmp_path, Image.fromarray(PIXELS).convert("RGBA"))).alpha is None


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


def lossless_webp(image: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


@pytest.mark.parametrize("encode", [encode_png, lossless_webp])
def test_lossless_round_trip(encode: Callable[[Pixels], bytes]) -> None:
    np.testing.assert_array_equal(decode_lossless(encode(PIXELS)), PIXELS)


def test_lossy_formats_are_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "WEBP", quality=90)
    with pytest.raises(BadImage, match="candidate 3: lossy WebP"):
        decode_lossless(buffer.getvalue(), "candidate 3")
    with pytest.raises(BadImage, match="not PNG or WEBP"):
        decode_lossless(jpeg_bytes())
