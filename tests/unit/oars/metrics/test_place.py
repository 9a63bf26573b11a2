"""A known shift and zoom are found, as the median over photos."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import affine_transform

from oars.imaging.photos import find_photos
from oars.metrics.place import place

Pixels = NDArray[np.uint8]

SIDE = 128
PHOTOS = [photo.pixels() for photo in find_photos("packages", "train")[:8]]


def displaced(photo: Pixels, down: float, right: float, zoom: float) -> Pixels:
    """Pixels around the centre after a zoom about it and a shift."""
    centre, offset = (SIDE - 1) / 2, (photo.shape[0] - SIDE) // 2
    start = [offset + centre - (centre + moved) / zoom for moved in (down, right)]
    planes = [
        affine_transform(photo[..., c].astype(float), [1 / zoom] * 2, start, (SIDE, SIDE), order=3) for c in range(3)
    ]
    return np.clip(np.rint(np.stack(planes, -1)), 0, 255).astype(np.uint8)


def reduced(picture: Pixels) -> Pixels:
    size = (SIDE // 4, SIDE // 4)
    noise = np.random.default_rng(0).normal(0, 4, (*size, 3))
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    return np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("down", "right", "zoom"), [(0, 0, 1), (2, -1, 1), (0, 0, 1.03), (-2, 1, 0.97)], ids=["none", "shift", "in", "out"]
)
def test_a_known_displacement_is_found(down: float, right: float, zoom: float) -> None:
    found = [place(displaced(photo, down, right, zoom), reduced(displaced(photo, 0, 0, 1))) for photo in PHOTOS]
    assert np.median(found, axis=0) == pytest.approx((down, right, zoom), abs=0.5, rel=0.012)
    if zoom != 1:
        assert (np.median(found, axis=0)[2] - 1) / (zoom - 1) > 0.5


def test_a_flat_picture_lies_where_it_should() -> None:
    grey = np.full((SIDE, SIDE, 3), 90, np.uint8)
    assert place(grey, grey[::4, ::4]) == (0, 0, 1)


def test_sizes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="has no place"):
        place(PHOTOS[0][:100, :100], PHOTOS[0][:30, :30])
