"""A file is whole or not there: write aside, sync, rename. What a kill leaves behind is never read back."""

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

_SAMPLE = 2**20
_PARTIAL = ".partial"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, sync it to disk, and give it the name `path`.

    Its own name in between, so that a writer that was left behind by a kill never shares a file with its successor.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PARTIAL}")
    write(aside)
    sync(aside)
    aside.replace(path)
    sync(path.parent)


def remove_partial(directory: Path) -> None:
    """Delete what killed writers left below `directory`."""
    for path in directory.rglob(f".*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def sha256(path: Path) -> str:
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
