"""Photos of a source as rows of an Arrow table: where each is, its size by its header, and why it cannot be used.

A million of them are some hundred MB on disk, mapped, and a few bytes each in memory: a `Photo` is made when one is
asked for.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from oars.imaging.image_io import BadImage
from oars.imaging.photo import Photo
from oars.imaging.photo_list import Split
from oars.imaging.shards import Place

SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "path": pa.binary(),
        "first": pa.int64(),
        "second": pa.int64(),
        "reduction": pa.int32(),
        "evaluation": pa.bool_(),
        "length": pa.int64(),
        "width": pa.int32(),
        "height": pa.int32(),
        "fault": pa.string(),
    }
)
_BATCH, _CHUNK = 8192, 256
"""Photos of a batch of rows, and of one task: neighbours in a shard are read by one thread."""
_THREADS = 8
"""Headers that are read at once: what counts is the file system's answer, not the CPU."""


@dataclass(frozen=True)
class Found:
    """A photo of a source, before it is opened; `fault` says why that is of no use."""

    photo: Photo
    split: Split
    fault: str | None = None


def record_batches(found: Iterable[Found]) -> Iterator[pa.RecordBatch]:
    """Rows in the given order. Each photo's header and last bytes are read; a few thousand photos are in memory."""
    remaining = iter(found)
    with ThreadPoolExecutor(_THREADS) as pool:
        while batch := list(islice(remaining, _BATCH)):
            chunks = [batch[start : start + _CHUNK] for start in range(0, len(batch), _CHUNK)]
            rows = chain.from_iterable(pool.map(_rows, chunks))
            yield pa.RecordBatch.from_pylist(list(rows), SCHEMA)


def _rows(found: Sequence[Found]) -> list[dict[str, Any]]:
    return [_row(one) for one in found]


def _row(found: Found) -> dict[str, Any]:
    photo, fault = found.photo, found.fault
    length, size = 0, (0, 0)
    if fault is None:
        try:
            length, size = photo.looked_at()
        except BadImage as error:
            fault = str(error)
    place = {"first": photo.place.first, "second": photo.place.second} if photo.place else {}
    return place | {
        "name": photo.name,
        "path": os.fsencode(photo.path),
        "reduction": photo.reduction,
        "evaluation": found.split == "evaluation",
        "length": length,
        "width": size[0],
        "height": size[1],
        "fault": fault,
    }


class PhotoTable(Sequence[Photo]):
    """Some rows of a table, in order; a sequence of photos."""

    def __init__(self, table: pa.Table, rows: NDArray[np.int64] | None = None) -> None:
        self._table = table
        self._rows = np.arange(len(table)) if rows is None else rows

    @classmethod
    def of(cls, found: Iterable[Found]) -> "PhotoTable":
        """In memory."""
        return cls(pa.Table.from_batches(record_batches(found), SCHEMA))

    @classmethod
    def joined(cls, parts: Sequence["PhotoTable"]) -> "PhotoTable":
        starts = np.cumsum([0, *(len(part._table) for part in parts)])
        rows = [part._rows + start for part, start in zip(parts, starts, strict=False)]
        table = pa.concat_tables([SCHEMA.empty_table(), *(part._table for part in parts)])
        return cls(table, np.concatenate([np.empty(0, np.int64), *rows]))

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Photo: ...
    @overload
    def __getitem__(self, index: slice) -> "PhotoTable": ...
    def __getitem__(self, index: int | slice) -> "Photo | PhotoTable":
        if isinstance(index, slice):
            return PhotoTable(self._table, self._rows[index])
        [row] = self._table.slice(int(self._rows[index]), 1).to_pylist()
        place = None if row["first"] is None else Place(row["first"], row["second"])
        return Photo(row["name"], Path(os.fsdecode(row["path"])), row["reduction"], place)

    def column(self, name: str) -> NDArray[Any]:
        """Values of a column of numbers or truths, one a photo."""
        return self._table.column(name).to_numpy()[self._rows]

    def texts(self, name: str) -> Iterator[str | None]:
        """Values of a column of texts, batch by batch."""
        kept = np.zeros(len(self._table), bool)
        kept[self._rows] = True
        for start in range(0, len(kept), _BATCH):
            part = self._table.column(name).slice(start, _BATCH)
            yield from part.filter(pa.array(kept[start : start + _BATCH])).to_pylist()

    def where(self, mask: NDArray[np.bool_]) -> "PhotoTable":
        """Those for which `mask`, one value a photo, is true."""
        return PhotoTable(self._table, self._rows[mask])
