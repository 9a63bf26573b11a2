"""Pictures inside shards: members of an uncompressed tar (WebDataset), rows of a Parquet table.

A member has a place by which it is read again without the rest of the shard. A Parquet table is read in small batches
from the beginning of the row group, so that one picture never brings a whole group into memory.
"""

import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from oars.imaging.bucket import Blob

SHARD_SUFFIXES = {".tar", ".parquet"}
_ROWS = 8
"""Rows of a Parquet table that are read at once."""
_BINARY = (pa.types.is_binary, pa.types.is_large_binary)


class BadShard(ValueError):
    """A shard that cannot be read to its end; the message says why, without the shard's name."""


@dataclass(frozen=True)
class Place:
    """Where a shard holds a picture: (offset, length) in bytes of a tar, (row group, row of the group) of a table."""

    first: int
    second: int


def members(shard: Path | Blob, suffixes: set[str]) -> Iterator[tuple[str, Place]]:
    """Name and place of each picture, in the shard's order. Raises BadShard after those that can be read.

    Of a tar the members with one of `suffixes` count; rows of a table are named by their number.
    """
    try:
        yield from _tar_members(shard, suffixes) if shard.suffix.lower() == ".tar" else _rows(shard)
    except (OSError, tarfile.TarError, pa.ArrowException) as error:
        raise BadShard(" ".join(str(error).split())) from error


def read_member(shard: Path | Blob, place: Place) -> bytes:
    """Bytes of a picture. Raises BadShard."""
    try:
        if shard.suffix.lower() == ".tar":
            with shard.open("rb") as file:
                file.seek(place.first)
                return file.read(place.second)
        return _reader.row(shard, place)
    except (OSError, pa.ArrowException) as error:
        raise BadShard(" ".join(str(error).split())) from error


def _tar_members(shard: Path | Blob, suffixes: set[str]) -> Iterator[tuple[str, Place]]:
    with shard.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
        while (member := tar.next()) is not None:
            if member.isfile() and Path(member.name).suffix.lower() in suffixes:
                yield member.name, Place(member.offset_data, member.size)
            tar.members = []  # type: ignore[attr-defined]  # it would keep them all


def _rows(shard: Path | Blob) -> Iterator[tuple[str, Place]]:
    with _table(shard) as table:
        _picture_column(table.schema_arrow)
        number = 0
        for group in range(table.num_row_groups):
            for row in range(table.metadata.row_group(group).num_rows):
                yield f"{number:08d}", Place(group, row)
                number += 1


def _table(shard: Path | Blob, **reading: Any) -> pq.ParquetFile:
    return pq.ParquetFile(shard.open("rb") if isinstance(shard, Blob) else shard, **reading)


def _picture_column(schema: pa.Schema) -> str:
    """The first column of bytes, or of the Hugging Face pair of bytes and path."""
    for field in schema:
        if any(is_binary(field.type) for is_binary in _BINARY):
            return field.name
        if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
            return f"{field.name}.bytes"
    raise pa.ArrowInvalid("no column of bytes, nor one of structs with `bytes`")


class _TableReader(threading.local):
    """Goes on where the last row was read; so pictures in their order cost one pass, in each thread."""

    def __init__(self) -> None:
        self._at: tuple[Path | Blob, int] | None = None
        self._start, self._batch = 0, pa.array([], pa.binary())
        self._batches: Iterator[pa.RecordBatch] = iter(())

    def row(self, shard: Path | Blob, place: Place) -> bytes:
        if self._at != (shard, place.first) or place.second < self._start:
            self._open(shard, place.first)
        while place.second >= self._start + len(self._batch):
            self._start += len(self._batch)
            if (batch := next(self._batches, None)) is None:
                raise pa.ArrowInvalid(f"row {place.second} of row group {place.first} is not there")
            column = batch.column(0)
            self._batch = column.field("bytes") if pa.types.is_struct(column.type) else column
        return self._batch[place.second - self._start].as_py() or b""

    def _open(self, shard: Path | Blob, group: int) -> None:
        table = _table(shard, pre_buffer=False, buffer_size=2**20)
        column = _picture_column(table.schema_arrow)
        self._batches = table.iter_batches(_ROWS, row_groups=[group], columns=[column], use_threads=False)
        self._at, self._start, self._batch = (shard, group), 0, pa.array([], pa.binary())


_reader = _TableReader()
