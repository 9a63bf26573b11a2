"""Photos of a source as rows of an Arrow table: where each is, its size by its header, its fingerprint, and why it
cannot be used.

A million of them are some hundred MB on disk, mapped, and a few bytes each in memory: a `Photo` is made when one is
asked for.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from oars.imaging.bucket import decoded, encoded
from oars.imaging.fingerprint import FINGERPRINT_BYTES, Fingerprints
from oars.imaging.image_io import BadImage
from oars.imaging.photo import Look, Photo
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
        "fingerprint": pa.binary(FINGERPRINT_BYTES),
        "fault": pa.string(),
    }
)
_BATCH, _CHUNK = 8192, 256
"""Photos of a batch of rows, and of one task: neighbours in a shard are read by one thread."""
_THREADS = 8
"""Photos that are looked at at once."""
FINGERPRINTED_PIXELS = 4 * 10**11
"""Pixels of a source's photos that get fingerprints: 200,000 photos of two megapixels, 20 CPU minutes of JPEG."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """A photo of a source, before it is opened; `fault` says why that is of no use."""

    photo: Photo
    split: Split
    fault: str | None = None


@dataclass(frozen=True)
class Fingerprinted:
    """Some photos of a table that have a fingerprint."""

    indices: NDArray[np.int64]
    levels: Fingerprints


def record_batches(found: Iterable[Found]) -> Iterator[pa.RecordBatch]:
    """Rows in the given order. Each photo is looked at; a few thousand photos are in memory.

    Photos after the batch that exceeds FINGERPRINTED_PIXELS have no fingerprint.
    """
    remaining, pixels = iter(found), 0
    with ThreadPoolExecutor(_THREADS) as pool:
        while batch := list(islice(remaining, _BATCH)):
            chunks = [batch[start : start + _CHUNK] for start in range(0, len(batch), _CHUNK)]
            look = partial(_rows, with_fingerprint=pixels < FINGERPRINTED_PIXELS)
            rows = list(chain.from_iterable(pool.map(look, chunks)))
            yield pa.RecordBatch.from_pylist(rows, SCHEMA)
            before, pixels = pixels, pixels + sum(row["width"] * row["height"] for row in rows)
            if before < FINGERPRINTED_PIXELS <= pixels:
                _log.warning("photos after %s: only exact copies of evaluation photos are noticed", rows[-1]["name"])


def _rows(found: Sequence[Found], with_fingerprint: bool) -> list[dict[str, Any]]:
    return [_row(one, with_fingerprint) for one in found]


def _row(found: Found, with_fingerprint: bool) -> dict[str, Any]:
    photo, fault = found.photo, found.fault
    look = Look(0, (0, 0), None)
    if fault is None:
        try:
            look = photo.looked_at(with_fingerprint)
        except BadImage as error:
            fault = str(error)
    place = {"first": photo.place.first, "second": photo.place.second} if photo.place else {}
    return place | {
        "name": photo.name,
        "path": os.fsencode(encoded(photo.path)),
        "reduction": photo.reduction,
        "evaluation": found.split == "evaluation",
        "length": look.length,
        "width": look.size[0],
        "height": look.size[1],
        "fingerprint": look.fingerprint,
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
        return Photo(row["name"], decoded(os.fsdecode(row["path"])), row["reduction"], place)

    def column(self, name: str) -> NDArray[Any]:
        """Values of a column of numbers or truths, one a photo."""
        return self._table.column(name).to_numpy()[self._rows]

    def texts(self, name: str) -> Iterator[str | None]:
        """Values of a column of texts, batch by batch."""
        yield from self._values(name)

    def fingerprints(self, batch: int = _BATCH) -> Iterator[Fingerprinted]:
        """Of at most `batch` photos each."""
        values = enumerate(self._values("fingerprint"))
        while part := list(islice(values, batch)):
            known = [(index, levels) for index, levels in part if levels is not None]
            indices = np.array([index for index, _ in known], np.int64)
            stacked = np.frombuffer(b"".join(levels for _, levels in known), np.uint8)
            yield Fingerprinted(indices, stacked.reshape(-1, FINGERPRINT_BYTES))

    def _values(self, name: str) -> Iterator[Any]:
        kept = np.zeros(len(self._table), bool)
        kept[self._rows] = True
        for start in range(0, len(kept), _BATCH):
            part = self._table.column(name).slice(start, _BATCH)
            yield from part.filter(pa.array(kept[start : start + _BATCH])).to_pylist()

    def where(self, mask: NDArray[np.bool_]) -> "PhotoTable":
        """Those for which `mask`, one value a photo, is true."""
        return PhotoTable(self._table, self._rows[mask])
