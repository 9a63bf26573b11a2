"""A file is whole or not there: write aside, sync, rename. What a kill leaves behind is never read back."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, sync it to disk, and give it the name `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    write(aside)
    _sync(aside)
    aside.replace(path)
    _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda aside: aside.write_text(text))


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
