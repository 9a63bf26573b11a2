"""The tables of a COMPASS data set: Parquet shards, and how one is written whole and recognised as finished.

A shard holds the rows of some inputs, ordered by key. `recipe` is the digest of everything that its rows depend on; it
is kept in the file's own metadata, so a shard is finished if and only if it is there with the recipe that is wanted.
Nothing in a shard depends on when or where it was made.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from oars.files import write_whole

Row = dict[str, Any]

LR = ""
"""Value of a column `enhancer` that stands for the input itself."""
METRICS = ("stlpips", "cvvdp", "psnr", "ssim", "niqe32", "brisque")

_TEXT, _REAL = pa.string(), pa.float64()
_REQUIRED = {"nullable": False}
INPUTS = pa.schema(
    [
        pa.field("input_id", _TEXT, **_REQUIRED),
        pa.field("photo", _TEXT, **_REQUIRED),
        pa.field("split", _TEXT, **_REQUIRED),
        pa.field("kind", _TEXT, **_REQUIRED),
        pa.field("strength", _REAL),
        pa.field("lr", pa.binary(), **_REQUIRED),
        pa.field("gt", pa.binary()),
    ]
)
TRANSITIONS = pa.schema(
    [
        pa.field("input_id", _TEXT, **_REQUIRED),
        pa.field("enhancer", _TEXT, **_REQUIRED),
        pa.field("family", _TEXT, **_REQUIRED),
        pa.field("sr", pa.binary(), **_REQUIRED),
    ]
)
MEASUREMENTS = pa.schema(
    [
        pa.field("input_id", _TEXT, **_REQUIRED),
        pa.field("enhancer", _TEXT, **_REQUIRED),
        *(pa.field(name, _REAL) for name in (*METRICS, "structure", "colour", "dists")),
        pa.field("features", pa.list_(pa.float32()), **_REQUIRED),
    ]
)
ANCHORS = pa.schema(
    [
        pa.field("input_id", _TEXT, **_REQUIRED),
        pa.field("enhancer", _TEXT, **_REQUIRED),
        pa.field("anchor", _REAL, **_REQUIRED),
        pa.field("anchor_source", _TEXT, **_REQUIRED),
    ]
)
COMPARISONS = pa.schema(
    [
        pa.field("input_id", _TEXT, **_REQUIRED),
        pa.field("first", _TEXT, **_REQUIRED),
        pa.field("second", _TEXT, **_REQUIRED),
        pa.field("p_first", _REAL, **_REQUIRED),
        pa.field("source", _TEXT, **_REQUIRED),
    ]
)
LABELS = pa.schema(
    [
        pa.field("input_id", _TEXT, **_REQUIRED),
        pa.field("enhancer", _TEXT, **_REQUIRED),
        pa.field("rank", _REAL),
        pa.field("anchor", _REAL, **_REQUIRED),
        pa.field("q", _REAL, **_REQUIRED),
        pa.field("fidelity", _REAL),
        *(pa.field(name, _REAL) for name in METRICS),
    ]
)
GROUPS = pa.schema(
    [
        pa.field("input_id", _TEXT, **_REQUIRED),
        pa.field("alpha", _REAL),
        pa.field("beta", _REAL),
        pa.field("kept", pa.bool_(), **_REQUIRED),
        pa.field("reason", _TEXT, **_REQUIRED),
    ]
)
EXPLANATIONS = pa.schema(
    [
        pa.field("input_id", _TEXT, **_REQUIRED),
        pa.field("enhancer", _TEXT, **_REQUIRED),
        pa.field("text", _TEXT, **_REQUIRED),
    ]
)

_RECIPE = b"oars.recipe"


def recipe_of(*parts: object) -> str:
    """SHA-256 of anything that JSON can hold; paths and such as their text."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def write_shard(path: Path, schema: pa.Schema, rows: Sequence[Mapping[str, Any]], recipe: str) -> None:
    """Rows in the order of their key: the schema's leading text columns up to `input_id`, `enhancer`, `second`."""
    keys = [name for name in ("input_id", "enhancer", "first", "second") if name in schema.names]
    ordered = sorted(rows, key=lambda row: [row[key] for key in keys])
    table = pa.Table.from_pylist(ordered, schema.with_metadata({_RECIPE: recipe.encode()}))
    # Pictures are compressed already, and a dictionary of them would only be carried along.
    write_whole(path, lambda aside: pq.write_table(table, aside, compression="zstd", use_dictionary=False))


def is_finished(path: Path, recipe: str) -> bool:
    """True if the shard is there, whole, and was made by `recipe`."""
    return fault_of(path) is None and (pq.read_schema(path).metadata or {}).get(_RECIPE) == recipe.encode()


def fault_of(path: Path) -> str | None:
    """What a shard lacks, by its footer, which is all that is read; None if it is whole."""
    try:
        pq.read_schema(path)
    except FileNotFoundError:
        return "missing"
    except (OSError, pa.ArrowInvalid):
        return "no Parquet file, or cut short"
    return None


def read_shard(path: Path) -> list[Row]:
    return pq.read_table(path).to_pylist()
