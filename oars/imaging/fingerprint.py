"""Fingerprint of a picture: 8 x 8 grey levels, which hardly change when it is saved again at another quality, size or
format.

Of a JPEG an eighth of the pixels is decoded, of other formats all of them. A crop, a mirrored or a brightened copy is
another picture.
"""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from oars.imaging.image_io import DECODE_ERRORS, MAX_INPUT_PIXELS, decode_picture, upright

Fingerprints = NDArray[np.uint8]
"""[n, FINGERPRINT_BYTES]"""

SIDE = 8
FINGERPRINT_BYTES = SIDE * SIDE
ALIKE = 3.0
"""Grey levels, root mean square: copies were 1.2 apart at most, different photos 8.5 at least
(docs/results/photo-index.md)."""
_FLAT = 4.0
"""Grey levels, standard deviation: below it, pictures that have nothing in common are near one another."""
_DRAFT = (8 * SIDE, 8 * SIDE)
"""The least size at which a JPEG is decoded."""


def fingerprint(stream: BinaryIO, name: str) -> bytes | None:
    """Grey levels, row by row; None for a picture that cannot be decoded, is nearly flat, or is above MAX_INPUT_PIXELS,
    which would take memory."""
    stream.seek(0)
    try:
        with Image.open(stream) as image:
            if image.width * image.height > MAX_INPUT_PIXELS:
                return None
            if isinstance(image, JpegImageFile) and image.mode in ("L", "RGB"):
                drafted = image.draft("L", _DRAFT)
                return _levels(image, drafted and drafted[1])
        stream.seek(0)
        return _levels(Image.fromarray(decode_picture(stream.read(), name).on_white()))
    except DECODE_ERRORS:
        return None


def alike(some: Fingerprints, others: Fingerprints) -> NDArray[np.bool_]:
    """[n, m]: true for two of one picture."""
    left, right = some.astype(np.float32), others.astype(np.float32)  # which holds these sums exactly
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    return squares <= ALIKE**2 * FINGERPRINT_BYTES


def _levels(image: Image.Image, box: tuple[float, float, float, float] | None = None) -> bytes | None:
    """`box`: the part that is picture. The rest of a JPEG's last blocks is filling."""
    levels = upright(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR, box))
    return None if np.asarray(levels).std() < _FLAT else levels.tobytes()
