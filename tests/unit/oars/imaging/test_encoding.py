"""What is written is what was made, with the profile and the EXIF of the source, in every format."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from oars.imaging.encoding import FORMATS, UnknownFormat, check_format, write_picture
from oars.imaging.image_io import Pixels, read_picture
from oars.imaging.picture_metadata import Metadata, read_metadata
from oars.imaging.row_file import RowFile
from oars.imaging.srgb import to_profile

RNG = np.random.default_rng(0)
MAKE, ORIENTATION, EXIF, TAKEN, GPS, NORTH = 0x010F, 0x0112, 0x8769, 0x9003, 0x8825, 1
LOSSLESS = (".png", ".webp", ".tif", ".tiff")


def exchanged() -> bytes:
    """sRGB's own profile with red and green exchanged: one that moves every colour."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = data.index(b"rXYZ"), data.index(b"gXYZ")
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data)


WIDE_GAMUT = exchanged()


def photo(path: Path, profile: bytes | None = None) -> Path:
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "A camera", 6
    exif.get_ifd(EXIF)[TAKEN] = "2020:01:02 03:04:05"
    exif.get_ifd(GPS)[NORTH] = "N"
    Image.new("RGB", (40, 24), (90, 120, 60)).save(path, exif=exif.tobytes(), icc_profile=profile)
    return path


def written(target: Path, pixels: Pixels, metadata: Metadata) -> Path:
    with RowFile(target.parent, pixels.shape[1], pixels.shape[2]) as rows:
        write_picture(target, rows.fill([pixels[:10], pixels[10:]]), metadata)
    return target


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("source", [".jpg", ".png", ".webp", ".tif"])
def test_exif_and_profile_reach_the_output_upright(source: str, suffix: str, tmp_path: Path) -> None:
    metadata = read_metadata(photo(tmp_path / f"in{source}", WIDE_GAMUT))
    pixels = RNG.integers(0, 256, (96, 160, 3), np.uint8)
    with Image.open(written(tmp_path / f"out{suffix}", pixels, metadata)) as image:
        exif = image.getexif()
        assert exif[MAKE] == "A camera" and exif.get(ORIENTATION, 1) == 1
        assert exif.get_ifd(EXIF)[TAKEN] == "2020:01:02 03:04:05" and exif.get_ifd(GPS)[NORTH] == "N"
        assert image.info["icc_profile"] == WIDE_GAMUT and image.size == (160, 96)
        if suffix in LOSSLESS:
            np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_alpha_is_kept(suffix: str, tmp_path: Path) -> None:
    pixels = RNG.integers(1, 256, (30, 20, 4), np.uint8)
    read = read_picture(written(tmp_path / f"a{suffix}", pixels, Metadata()))
    np.testing.assert_array_equal(read.rgb, pixels[..., :3])
    assert read.alpha is not None
    np.testing.assert_array_equal(read.alpha, pixels[..., 3])


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_a_format_without_alpha_lays_the_picture_on_white(suffix: str, tmp_path: Path) -> None:
    pixels = np.full((32, 32, 4), 90, np.uint8)
    pixels[:, :16, 3], pixels[:, 16:, 3] = 0, 255
    read = read_picture(written(tmp_path / f"a{suffix}", pixels, Metadata())).rgb.astype(int)
    assert abs(read[:, :8] - 255).max() <= 2 and abs(read[:, 24:] - 90).max() <= 2


def test_colours_are_the_same_to_who_reads_the_profile(tmp_path: Path) -> None:
    """sRGB, in the numbers of the profile, and read as sRGB again."""
    convert = to_profile(WIDE_GAMUT)
    assert convert is not None
    colours = RNG.integers(60, 190, (12, 12, 3), np.uint8)
    numbers = convert(colours)
    assert np.abs(numbers.astype(int) - colours).max() > 20
    again = read_picture(written(tmp_path / "a.png", numbers, Metadata(WIDE_GAMUT))).rgb
    assert np.abs(again.astype(int) - colours).max() <= 3


def test_a_profile_of_other_pixels_is_left_out(tmp_path: Path) -> None:
    assert to_profile(None) is None and to_profile(b"no profile") is None
    buffer = io.BytesIO(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes())
    assert to_profile(buffer.getvalue()) is None
    assert read_metadata(photo(tmp_path / "a.png")).profile is None


def test_a_name_without_a_format_is_refused() -> None:
    with pytest.raises(UnknownFormat, match=r"^a\.gif: expected a name that ends in \.png"):
        check_format(Path("a.gif"))
