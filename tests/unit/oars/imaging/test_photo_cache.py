"""The cache keeps what was used last, within its bytes, whatever the size of a photo."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from oars.imaging.photo import Photo
from oars.imaging.photo_cache import PhotoCache, Pixels


def photo(number: int) -> Photo:
    return Photo(f"{number}", Path(f"{number}.png"))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), max_size=60))
def test_bytes_are_bounded_and_pixels_are_right(wanted: list[tuple[int, int]]) -> None:
    """The side is part of the photo here, so that photos of all sizes alternate."""

    def decode(of: Photo, full_size: bool) -> Pixels:
        return np.full((int(of.name), 4, 3), 7, np.uint8)

    cache = PhotoCache(300, decode)
    for number, side in wanted:
        assert cache.pixels(photo(number * side + 1), False).shape == (number * side + 1, 4, 3)
        assert cache.held_bytes <= 300


def test_what_was_used_last_stays_and_is_read_only() -> None:
    decoded: list[str] = []

    def decode(of: Photo, full_size: bool) -> Pixels:
        decoded.append(of.name)
        return np.zeros((10, 10, 3), np.uint8)

    cache = PhotoCache(600, decode)
    for number in (1, 2, 1, 3, 1, 2):
        assert not cache.pixels(photo(number), False).flags.writeable
    assert decoded == ["1", "2", "3", "2"]
