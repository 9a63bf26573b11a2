"""Checkpoints: directories that are whole (`oars/files.py`) and that say what they hold.

A checkpoint carries `manifest.json`, written last, with the size and SHA-256 of every file; `verify` refuses a
directory that differs from its manifest by a byte.
"""

import json
from pathlib import Path
from typing import Any

from oars.errors import UserError
from oars.files import sha256

MANIFEST = "manifest.json"


class BadCheckpoint(UserError, RuntimeError):
    """A checkpoint that cannot be used; the message is one line naming the directory or file."""


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
