"""What a photo's file says beside its pixels, as an enlargement of it should say it again: colour profile and EXIF.

Of EXIF the descriptive part is kept. The size, the thumbnail, and the rotation, which is applied to the pixels, would
be wrong for another picture.
"""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from oars.imaging.image_io import DECODE_ERRORS
from oars.imaging.srgb import to_profile

# ImageDescription, Make, Model, the two resolutions and their unit, Software, DateTime, Artist, Copyright.
_KEPT = (0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x8298)
_EXIF, _GPS = 0x8769, 0x8825
_SIZES = (0xA002, 0xA003)
_LONGEST = 65_000
"""Bytes of EXIF that fit into a JPEG's segment."""


@dataclass(frozen=True)
class Metadata:
    """Empty where there is none, or none that can be read."""

    profile: bytes | None = None
    """ICC profile of RGB pixels; an output's pixels are in its numbers."""
    exif: bytes = b""


def read_metadata(path: Path) -> Metadata:
    """Of a picture that could be read."""
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        return Metadata(profile if to_profile(profile) else None, _exif(image))


def _exif(image: Image.Image) -> bytes:
    try:
        read, kept = image.getexif(), Image.Exif()
        for tag in _KEPT:
            if tag in read:
                kept[tag] = read[tag]
        for folder in (_EXIF, _GPS):
            fields = {tag: value for tag, value in read.get_ifd(folder).items() if tag not in _SIZES}
            if fields:
                kept.get_ifd(folder).update(fields)
        written = kept.tobytes() if len(kept) or kept.get_ifd(_EXIF) or kept.get_ifd(_GPS) else b""
    except DECODE_ERRORS:
        return b""
    return written if len(written) <= _LONGEST else b""
