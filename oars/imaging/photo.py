"""One source photo: a file, a bucket's object, or a member of a shard. Its bytes are read when its pixels are asked
for."""

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oars.imaging.bucket import BadBucket, Blob
from oars.imaging.fingerprint import fingerprint
from oars.imaging.image_io import BadImage, check_whole, decode_picture
from oars.imaging.shards import BadShard, Place, read_member
from oars.names import printable

_LOOKS = 1024
"""So many looks are kept: a source of few photos is surveyed several times by one process."""


@dataclass(frozen=True)
class Look:
    """What is known of a photo that can be read to its end, by its header and last bytes."""

    length: int
    """Bytes."""
    size: tuple[int, int]
    """Width and height."""
    fingerprint: bytes | None
    """None if it was not asked for, or the pixels cannot be decoded, are nearly all the same, or are too many."""


@dataclass(frozen=True)
class Photo:
    """`name` identifies it in manifests and group ids; `reduction` shrinks it to sharp pixels."""

    name: str
    path: Path | Blob
    """The file or object, or the shard that holds it."""
    reduction: int = 1
    place: Place | None = None
    """In the shard."""

    def pixels(self, full_size: bool = False) -> NDArray[np.uint8]:
        """RGB, uint8 [H, W, 3]; at `1 / reduction` of the size unless `full_size`. Raises BadImage naming the file."""
        pixels = decode_picture(self.read(), self._label).on_white()
        if self.reduction > 1 and not full_size:
            return np.asarray(Image.fromarray(pixels).reduce(self.reduction))
        return pixels

    def read(self) -> bytes:
        """The picture as it is stored. Raises BadImage."""
        try:
            return self.path.read_bytes() if self.place is None else read_member(self.path, self.place)
        except (OSError, BadShard) as error:
            raise self._unreadable(error) from error

    def digest(self) -> str:
        """SHA-256 of `read()`. Raises BadImage."""
        return hashlib.sha256(self.read()).hexdigest()

    def check(self) -> None:
        """Raises BadImage unless it can be read to its end, by its header and last bytes."""
        with self._open() as stream:
            check_whole(stream, self._label)

    def looked_at(self, with_fingerprint: bool) -> Look:
        """Raises BadImage, as `check` does."""
        try:
            there = self.path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
        return _look(self, with_fingerprint, there.st_mtime_ns, there.st_size)

    def _open(self) -> BinaryIO:
        if self.place is not None or isinstance(self.path, Blob):  # one request for all of it
            return io.BytesIO(self.read())
        try:
            return self.path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError | BadShard) -> BadImage:
        if isinstance(error, BadBucket):
            return BadImage(str(error))  # it names the object
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        return BadImage(f"{self._label}: cannot be read: {why}")

    @property
    def _label(self) -> str:
        return printable(str(self.path)) if self.place is None else self.name


@lru_cache(_LOOKS)
def _look(photo: Photo, with_fingerprint: bool, changed_ns: int, file_bytes: int) -> Look:
    """The last two say which state of the file is meant."""
    with photo._open() as stream:
        size = check_whole(stream, photo._label)
        length = stream.seek(0, io.SEEK_END)
        return Look(length, size, fingerprint(stream, photo._label) if with_fingerprint else None)
