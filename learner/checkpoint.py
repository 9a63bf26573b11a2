"""Directories that are either whole or not there: write aside, sync, then rename.

A checkpoint carries `manifest.json`, written last, with the size and SHA-256 of every file; `verify` refuses a
directory that differs from its manifest by a byte.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from oars.errors import UserError
from oars.files import sha256, sync

MANIFEST = "manifest.json"


class BadCheckpoint(UserError, RuntimeError):
    """A checkpoint that cannot be used; the message is one line naming the directory or file."""


def partial(path: Path) -> Path:
    """Temporary name of a directory: beside its final one, so that the rename stays on one volume."""
    return path.with_name(f".{path.name}.partial")


def begin(path: Path) -> Path:
    """An empty `partial(path)`, whatever an earlier, interrupted write left there."""
    aside = partial(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    return aside


def publish(path: Path) -> None:
    """Sync `partial(path)` to disk and let it take the place of `path`."""
    aside = partial(path)
    for file in [*_files(aside), *(d for d in aside.rglob("*") if d.is_dir()), aside]:
        sync(file)
    if path.exists():
        replaced = path.with_name(f".{path.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        path.rename(replaced)
        aside.rename(path)
        shutil.rmtree(replaced)
    else:
        aside.rename(path)
    sync(path.parent)


def write_manifest(directory: Path, state: dict[str, Any]) -> None:
    """Seal `directory`: `state` plus every file's size and digest. Nothing may be written there afterwards."""
    files = {str(f.relative_to(directory)): [f.stat().st_size, sha256(f)] for f in _files(directory)}
    (directory / MANIFEST).write_text(json.dumps({**state, "files": files}, indent=1))


def verify(path: Path) -> dict[str, Any]:
    """The manifest of a whole checkpoint. Raises BadCheckpoint if it is missing, torn or changed."""
    manifest = path / MANIFEST
    if not manifest.is_file():
        raise BadCheckpoint(f"{path}: no checkpoint there ({MANIFEST} is missing)")
    try:
        state: dict[str, Any] = json.loads(manifest.read_text())
    except ValueError as error:
        raise BadCheckpoint(f"{manifest}: torn: {error}") from error
    for name, (size, digest) in state.pop("files").items():
        file = path / name
        if not file.is_file():
            raise BadCheckpoint(f"{file}: torn checkpoint: the file is missing")
        if file.stat().st_size != size or sha256(file) != digest:
            raise BadCheckpoint(f"{file}: torn checkpoint: the file differs from its manifest")
    return state


def _files(directory: Path) -> list[Path]:
    return sorted(f for f in directory.rglob("*") if f.is_file())
