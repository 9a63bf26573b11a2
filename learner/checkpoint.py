"""Checkpoints: directories that are whole (`oars/files.py`) and that say what they hold.

A checkpoint carries `manifest.json`, written last, with the size and SHA-256 of every file and of itself; `verify`
refuses a directory that differs from its manifest, or a manifest that differs from what was written, by a bit.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oars.errors import UserError
from oars.files import sha256

MANIFEST = "manifest.json"


class BadCheckpoint(UserError, RuntimeError):
    """A checkpoint that cannot be used; the message is one line naming the directory or file."""


class DamagedCheckpoint(BadCheckpoint):
    """A checkpoint that is not what was written. An older one may do."""


def digests(directory: Path, rank: int = 0, world: int = 1) -> dict[str, list[int | str]]:
    """Size and SHA-256 of the files in `directory` that fall to one of `world` readers, who read about as much each."""
    sizes = {file: file.stat().st_size for file in _files(directory)}
    own = sorted(sizes, key=lambda file: -sizes[file])[rank::world]
    return {str(file.relative_to(directory)): [sizes[file], sha256(file)] for file in own}


def write_manifest(directory: Path, state: dict[str, Any], files: Mapping[str, list[int | str]]) -> None:
    """Seal `directory`: `state` plus the `digests` of every file. Nothing may be written there afterwards."""
    content = {**state, "files": dict(sorted(files.items()))}
    (directory / MANIFEST).write_text(json.dumps({**content, "digest": _digest(content)}, indent=1))


def read_manifest(path: Path) -> dict[str, Any]:
    """The `state` that a checkpoint was sealed with, and `files`. Raises DamagedCheckpoint if it is missing or changed,
    BadCheckpoint if it has no digest."""
    manifest = path / MANIFEST
    if not manifest.is_file():
        raise DamagedCheckpoint(f"{path}: no checkpoint there ({MANIFEST} is missing)")
    try:
        content: dict[str, Any] = json.loads(manifest.read_text())
    except ValueError as error:
        raise DamagedCheckpoint(f"{manifest}: torn: {error}") from error
    if "digest" not in content:
        raise BadCheckpoint(f"{manifest}: has no digest: written by an older OARS")
    if content.pop("digest") != _digest(content):
        raise DamagedCheckpoint(f"{manifest}: torn: it differs from what was written")
    return content


def verify(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint of which every file was read.

    Raises BadCheckpoint, DamagedCheckpoint if a file is missing, torn or changed.
    """
    manifest = read_manifest(path)
    for name, (size, digest) in manifest["files"].items():
        file = path / name
        if not file.is_file():
            raise DamagedCheckpoint(f"{file}: torn checkpoint: the file is missing")
        if file.stat().st_size != size or sha256(file) != digest:
            raise DamagedCheckpoint(f"{file}: torn checkpoint: the file differs from its manifest")
    return manifest


def _digest(content: dict[str, Any]) -> str:
    """SHA-256 over everything else in the manifest."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _files(directory: Path) -> list[Path]:
    return sorted(f for f in directory.rglob("*") if f.is_file())
