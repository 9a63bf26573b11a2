"""The photos that were decoded last, bounded by their bytes: a count of a phone's photos would bound nothing."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from oars.imaging.photo import Photo

Pixels = NDArray[np.uint8]
Key = tuple[Photo, bool]


class PhotoCache:
    """Keeps at most `max_bytes` of the pixels used last; shared by threads, of which two may decode one photo at
    once."""

    def __init__(self, max_bytes: int, decode: Callable[[Photo, bool], Pixels] = Photo.pixels) -> None:
        self._max_bytes, self._decode = max_bytes, decode
        self._held: OrderedDict[Key, Pixels] = OrderedDict()
        self._lock = Lock()

    def pixels(self, photo: Photo, full_size: bool) -> Pixels:
        """`photo.pixels`, read-only."""
        key = (photo, full_size)
        with self._lock:
            if (held := self._held.get(key)) is not None:
                self._held.move_to_end(key)
                return held
        pixels = self._decode(photo, full_size)
        pixels.setflags(write=False)
        with self._lock:
            self._held[key] = pixels
            while self.held_bytes > self._max_bytes:
                self._held.popitem(last=False)
        return pixels

    @property
    def held_bytes(self) -> int:
        return sum(pixels.nbytes for pixels in self._held.values())
