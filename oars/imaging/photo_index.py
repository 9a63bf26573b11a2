"""The photos of a folder, and inside its shards, found once: the table is kept in a file and mapped afterwards.

The file stands as long as no folder and no shard below has changed, by their times of change; what changed within two
seconds of the look at it is looked at again, as clocks of file systems are coarse. A photo that is overwritten in its
place is not noticed. A bucket's folders are listed anew each time, and any change in the lists is noticed. A folder of
few photos is looked at each time.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from oars.files import write_whole
from oars.home import kept_in
from oars.imaging.bucket import Blob, decoded, encoded
from oars.imaging.folder import changes, folder_photos, state
from oars.imaging.photo_table import SCHEMA, Found, PhotoTable, record_batches

FEW = 200
"""Up to so many photos no file is kept: they are looked at within seconds."""
_COARSE_NS = 2 * 10**9
_CHANGES, _BEGAN = b"changes", b"began_ns"

_log = logging.getLogger(__name__)


def folder_table(folder: Path | Blob) -> PhotoTable:
    """All photos below a folder. Raises NoPhotos for a folder below that cannot be read, BadBucket."""
    kept = index_file(folder)
    if (table := _mapped(kept)) is not None and table.schema.equals(SCHEMA) and _stands(table.schema.metadata):
        return PhotoTable(table)
    metadata = {_BEGAN: str(time.time_ns()), _CHANGES: json.dumps(changes(folder))}
    found = folder_photos(folder)
    first = list(islice(found, FEW + 1))
    if len(first) <= FEW:
        return PhotoTable.of(first)
    _log.warning("%s: more than %d photos; each is looked at once, the list is kept in %s", folder, FEW, kept)
    write_whole(kept, lambda aside: _write(aside, chain(first, found), metadata))
    return PhotoTable(pa.ipc.open_file(pa.memory_map(os.fspath(kept))).read_all())


def index_file(folder: Path | Blob) -> Path:
    """Where the list of a folder is kept."""
    place = folder if isinstance(folder, Blob) else folder.absolute()
    name = hashlib.sha256(os.fsencode(encoded(place))).hexdigest()[:24]
    return kept_in("photos") / f"{name}.arrow"


def _write(path: Path, found: Iterator[Found], metadata: dict[bytes, str]) -> None:
    with pa.ipc.new_file(os.fspath(path), SCHEMA.with_metadata(metadata)) as writer:
        for batch in record_batches(found):
            writer.write_batch(batch)


def _mapped(path: Path) -> pa.Table | None:
    """None if the file is not there or cannot be read."""
    try:
        return pa.ipc.open_file(pa.memory_map(os.fspath(path))).read_all()
    except (OSError, pa.ArrowInvalid):
        return None


def _stands(metadata: dict[bytes, bytes] | None) -> bool:
    """True if nothing has changed since, nor so shortly before that the clock may not show it."""
    if not metadata or _CHANGES not in metadata:
        return False
    latest = int(metadata[_BEGAN]) - _COARSE_NS
    return all(_is_as_it_was(decoded(path), kept, latest) for path, kept in json.loads(metadata[_CHANGES]).items())


def _is_as_it_was(path: Path | Blob, kept: int, latest: int) -> bool:
    try:
        return state(path) == kept and (isinstance(path, Blob) or kept < latest)
    except OSError:  # it is gone, or can be seen no more
        return False
