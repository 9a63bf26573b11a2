"""A file or a directory is whole or not there: write aside, sync, rename. What a kill leaves is never read back."""

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Literal, Protocol

from oars.errors import UserError
from oars.names import printable

_SAMPLE = 2**20
_PARTIAL = ".partial"
_KEPT_NAME = 40  # characters, of up to four bytes


class NotWritable(UserError, OSError):
    """A file that cannot be written; the message is one line that names it."""


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, sync it to disk, and give it the name `path`.

    Its own name in between, so that a writer that was left behind by a kill never shares a file with its successor.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Cut, since a file system that takes 255 bytes has no room for more beside a name that long.
    aside = path.with_name(f".{path.name[:_KEPT_NAME]}.{secrets.token_hex(4)}{_PARTIAL}")
    try:
        write(aside)
        sync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)  # where a full disk stopped it
    sync(path.parent)


def check_writable(path: Path) -> None:
    """Raises NotWritable unless a file of this name can be written: before hours of work are."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.exists()  # a name that is too long is refused here
        _write_into(path.parent)
    except OSError as error:
        raise NotWritable(f"{printable(path)}: cannot be written: {error.strerror}") from error


def check_folder(folder: Path) -> None:
    """Raises NotWritable unless files can be written into a folder, which is made if it is not there."""
    try:
        _write_into(folder)
    except OSError as error:
        raise NotWritable(f"{printable(folder)}: cannot be written: {error.strerror}") from error


def _write_into(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def remove_partial(directory: Path) -> None:
    """Delete what killed writers left below `directory`."""
    for path in directory.rglob(f".*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def write_directory(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill an empty directory beside `path`, sync it, and let it take the place of `path`."""
    write(begin_directory(path))
    publish_directory(path)


def partial_directory(path: Path) -> Path:
    """The place where several writers fill a directory before it takes its name: beside it, on the same volume."""
    return path.with_name(f".{path.name}{_PARTIAL}")


def begin_directory(path: Path) -> Path:
    """An empty `partial_directory(path)`, whatever an earlier, interrupted write left there."""
    aside = partial_directory(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    return aside


def publish_directory(path: Path) -> None:
    """Sync `partial_directory(path)` to disk and let it take the place of `path`."""
    aside = partial_directory(path)
    for entry in [*aside.rglob("*"), aside]:
        sync(entry)
    if path.exists():
        replaced = path.with_name(f".{path.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        path.rename(replaced)
        aside.rename(path)
        shutil.rmtree(replaced)
    else:
        aside.rename(path)
    sync(path.parent)


class Openable(Protocol):
    """A `Path`, or an object of a bucket."""

    def open(self, mode: Literal["rb"], /) -> BufferedReader: ...


def sha256(path: Openable) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(path: Path) -> str:
    """Digest of a file, or of a directory's files: names, sizes and first MiB, for large weights."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        digest.update(f"{name}\x1f{file.stat().st_size}\x1f".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Wait until a file's content, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
