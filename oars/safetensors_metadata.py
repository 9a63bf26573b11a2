"""Metadata in the header of a safetensors file: read, and written into a copy, without reading a tensor.

The header is JSON behind its length; the tensors follow it and say where they begin from its end, so a longer header
moves nothing.
"""

import json
import shutil
from pathlib import Path
from typing import IO, Any

_METADATA = "__metadata__"
_LENGTH_BYTES = 8
_ALIGNMENT = 8  # of the tensors; the header is filled up with spaces


def read_metadata(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        metadata: dict[str, str] = _header(file).get(_METADATA, {})
    return metadata


def copy_with_metadata(source: Path, target: Path, metadata: dict[str, str]) -> None:
    """Copy a safetensors file with `metadata` beside what its header already says."""
    with source.open("rb") as read, target.open("wb") as written:
        header = _header(read)
        header[_METADATA] = header.get(_METADATA, {}) | metadata
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        written.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
        shutil.copyfileobj(read, written)


def _header(file: IO[bytes]) -> dict[str, Any]:
    """The header; leaves `file` where the tensors begin."""
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    header: dict[str, Any] = json.loads(file.read(length))
    return header
