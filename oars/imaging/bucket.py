"""Objects of a bucket, `s3://BUCKET/FOLDER` or `gs://BUCKET/FOLDER`, with what photos and shards ask of a `Path`.

Read by pyarrow. Credentials, region and endpoint come from the environment, as the cloud's own tools take them; an
endpoint may also follow the folder (`?endpoint_override=host:port&scheme=http`). Every node of a cluster needs them.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from pyarrow import fs

from oars.errors import UserError

SCHEMES = ("s3", "gs")
_BUFFER = 2**20
"""Bytes that one request for a part of an object brings."""


class BadBucket(UserError, OSError):
    """A bucket that cannot be read; the message is one line that names it."""


class Stat(NamedTuple):
    """As `os.stat` names them."""

    st_size: int
    st_mtime_ns: int


@dataclass(frozen=True)
class Blob:
    """An object, or a folder of objects."""

    store: str
    """Scheme and bucket, and what of the source came after its `?`: `s3://bucket?region=eu-west-1`."""
    key: str
    """Below the bucket, without a slash at either end."""

    @classmethod
    def of(cls, source: str) -> "Blob":
        """Raises BadBucket for a source that carries credentials, or names no bucket."""
        parts = urlsplit(source)
        if "@" in parts.netloc:
            raise BadBucket(f"{parts.scheme}://...@...: credentials belong into the environment, not into the config")
        if not parts.netloc:
            raise BadBucket(f"{source}: names no bucket")
        query = f"?{parts.query}" if parts.query else ""
        return cls(f"{parts.scheme}://{parts.netloc}{query}", parts.path.strip("/"))

    def __truediv__(self, name: str) -> "Blob":
        return Blob(self.store, f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        return f"{self.store.partition('?')[0]}/{self.key}"

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.key).suffix

    def read_bytes(self) -> bytes:
        """Raises BadBucket."""
        with self.open() as stream:
            return stream.read()

    def open(self, mode: Literal["rb"] = "rb") -> io.BufferedReader:
        """The object, any part of which can be read. Raises BadBucket."""
        system, path = self._place
        try:
            return io.BufferedReader(system.open_input_file(path), _BUFFER)
        except OSError as error:
            raise self._bad(error) from error

    def stat(self) -> Stat:
        """Raises BadBucket."""
        system, path = self._place
        try:
            info = system.get_file_info(path)
        except OSError as error:
            raise self._bad(error) from error
        if info.type == fs.FileType.NotFound:
            raise BadBucket(f"{self}: is not there")
        return _stat(info)

    def entries(self) -> Iterator[tuple[str, bool, Stat]]:
        """Names right below this folder, in their order, whether each is a folder, and its state. Raises BadBucket."""
        system, path = self._place
        try:
            found = system.get_file_info(fs.FileSelector(path))
        except OSError as error:
            raise self._bad(error) from error
        for info in sorted(found, key=lambda info: info.base_name):
            if info.base_name:  # else the marker object that some tools make for a folder
                yield info.base_name, info.type == fs.FileType.Directory, _stat(info)

    def state(self) -> int:
        """A number that changes with any name, size or time right below this folder. Raises BadBucket."""
        digest = hashlib.sha256(repr(list(self.entries())).encode()).digest()
        return int.from_bytes(digest[:7])

    @property
    def _place(self) -> tuple[fs.FileSystem, str]:
        system, bucket = _system(self.store)
        return system, f"{bucket}/{self.key}".rstrip("/")

    def _bad(self, error: OSError) -> BadBucket:
        return BadBucket(f"{self}: cannot be read: {' '.join(str(error).split())}")


def is_bucket(source: str) -> bool:
    return source.partition("://")[0] in SCHEMES


def encoded(path: Path | Blob) -> str:
    """As text that no other path has: a path on disk has no zero byte."""
    return f"{path.store}{_ZERO}{path.key}" if isinstance(path, Blob) else os.fspath(path)


def decoded(text: str) -> Path | Blob:
    """Of `encoded`."""
    store, zero, key = text.partition(_ZERO)
    return Blob(store, key) if zero else Path(text)


_ZERO = "\0"


@cache
def _system(store: str) -> tuple[fs.FileSystem, str]:
    """And the bucket's name. Raises BadBucket."""
    try:
        system, bucket = fs.FileSystem.from_uri(store)
    except (OSError, ValueError) as error:
        raise BadBucket(f"{store.partition('?')[0]}: cannot be opened: {' '.join(str(error).split())}") from error
    return system, bucket


def _stat(info: fs.FileInfo) -> Stat:
    return Stat(info.size or 0, info.mtime_ns or 0)
