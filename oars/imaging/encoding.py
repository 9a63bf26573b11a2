"""Writes a finished picture from its rows on disk, with the colour profile and the EXIF of its source.

PNG and JPEG are streamed by libvips and never held. The WebP encoder holds its picture by nature, and TIFF goes through
Pillow, which holds it too, because libvips writes no EXIF there.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from oars.errors import UserError
from oars.files import write_whole
from oars.imaging.picture_metadata import Metadata
from oars.imaging.row_file import RowFile

FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
RESIDENT = {".png": 0, ".jpg": 0, ".jpeg": 0, ".webp": 8, ".tif": 8, ".tiff": 8}
"""Bytes that an encoder holds for each pixel."""
MAX_SIDE = {".jpg": 65_535, ".jpeg": 65_535, ".webp": 16_383}
"""Pixels a side that a format can say."""

QUALITY = 95
"""Of JPEG, without chroma subsampling: an enlargement is made for its detail (ours)."""
# JPEG knows no alpha: what is transparent lies on white, as where it is read (image_io.py).
_JPEG_OPTIONS: dict[str, object] = {"Q": QUALITY, "subsample_mode": "off", "background": [255]}
_VIPS_OPTIONS: dict[str, dict[str, object]] = {
    ".png": {"compression": 3},
    ".jpg": _JPEG_OPTIONS,
    ".jpeg": _JPEG_OPTIONS,
    ".webp": {"lossless": True},
}


class UnknownFormat(UserError, ValueError):
    """A file name whose ending names no format that can be written; the message is one line."""


def check_format(target: Path) -> None:
    """Raises UnknownFormat."""
    if target.suffix.lower() not in FORMATS:
        raise UnknownFormat(f"{target}: expected a name that ends in {', '.join(FORMATS)}")


def write_picture(target: Path, rows: RowFile, metadata: Metadata) -> None:
    """`rows` uint8 [H, W, 3], or [H, W, 4] with alpha, in the numbers of the profile; whole or not there."""
    write: Callable[[Path], object]
    suffix = target.suffix.lower()
    if suffix in (".tif", ".tiff"):
        write = lambda aside: _write_tiff(aside, rows, metadata)  # noqa: E731
    else:
        write = lambda aside: _write_streamed(aside, rows, metadata, suffix)  # noqa: E731
    write_whole(target, write)


def _write_streamed(aside: Path, rows: RowFile, metadata: Metadata, suffix: str) -> None:
    os.environ.setdefault("VIPS_WARNING", "0")  # set at all, it silences them
    import pyvips

    height, width, channels = rows.shape
    image = pyvips.Image.rawload(str(rows.path), width, height, channels).copy(interpretation="srgb")
    if metadata.profile is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", metadata.profile)
    if metadata.exif:
        # libvips writes EXIF that it has read itself: field by field, out of a JPEG's header.
        carrier = io.BytesIO()
        Image.new("RGB", (8, 8)).save(carrier, "JPEG", exif=metadata.exif)
        read = pyvips.Image.new_from_buffer(carrier.getvalue(), "")
        for field in read.get_fields():
            if field.startswith("exif-"):
                image.set_type(read.get_typeof(field), field, read.get(field))
    with aside.open("wb") as file:
        image.write_to_target(pyvips.Target.new_to_descriptor(file.fileno()), suffix, **_VIPS_OPTIONS[suffix])


def _write_tiff(aside: Path, rows: RowFile, metadata: Metadata) -> None:
    # Not compressed: Pillow writes the folders of EXIF in plain files alone.
    Image.fromarray(rows[:]).save(aside, "TIFF", exif=metadata.exif, icc_profile=metadata.profile)
