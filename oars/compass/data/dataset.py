"""Reads a COMPASS data set, group by group: what annotation, training and evaluation of the judge all see.

A data set is the directory that `oars compass curate` makes and `oars compass annotate` completes (docs/compass.md has
its files). Shard `n` of every table holds the same inputs, so a group is joined inside one shard and memory holds one
shard at a time. Only the files named by manifest.json and labels.json are read.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import nan
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from oars.compass.data.tables import LR, METRICS, Row, fault_of, read_shard
from oars.config.curation import Family
from oars.errors import UserError
from oars.imaging.image_io import decode_lossless
from oars.json_files import read_json

Pixels = NDArray[np.uint8]
Values = NDArray[np.float64]
DataSplit = Literal["train", "validation", "evaluation"]
Kind = Literal["synthetic", "real"]

MANIFEST, LABELS_FILE, CURATION = "manifest.json", "labels.json", "curation.yaml"
SCHEMA_VERSION = 1
LABELS_VERSION = 2
"""Schema of LABELS_FILE and of the tables that it vouches for."""


class BadDataset(UserError, ValueError):
    """A data set that cannot be read or completed; the message is one line naming the directory or file."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EnhancerEntry(_Stored):
    """An enhancer's name, family and licence."""

    name: str
    family: Family
    licence: str
    source: str


class PhotoEntry(_Stored):
    """A source photo that inputs were cut from."""

    name: str
    split: DataSplit
    licence: str
    author: str


class Manifest(_Stored):
    """manifest.json: what curation made. `digest` is the SHA-256 over the shards' sorted digests."""

    schema_version: int
    digest: str
    seed: int
    counts: dict[str, int]
    enhancers: tuple[EnhancerEntry, ...]
    photos: tuple[PhotoEntry, ...]
    shards: dict[str, str]


class _Labels(BaseModel):
    """The part of labels.json that tells which pictures it is of."""

    schema_version: int
    manifest_digest: str


@dataclass(frozen=True)
class CuratedGroup:
    """One curated group before annotation: an input and its K transitions."""

    input_id: str
    photo: str
    split: DataSplit
    kind: Kind
    strength: float
    """Strength of the degradation, 0..1; NaN for real inputs."""
    lr: Pixels
    """[h, w, 3]"""
    gt: Pixels | None
    """[H, W, 3]"""
    enhancers: tuple[str, ...]
    families: tuple[Family, ...]
    sr: Pixels
    """[K, H, W, 3]"""


@dataclass(frozen=True)
class Group(CuratedGroup):
    """One annotated group; all arrays are float64 [K], in the order of `enhancers`."""

    q_lr: float
    """1..5"""
    anchor: Values
    """1..5: the quality of each alone."""
    q: Values
    """1..5: the calibrated quality."""
    rank: Values
    """0..1, within the group."""
    fidelity: Values
    """0..1; NaN where there is no GT to measure it against."""
    metrics: dict[str, Values]
    """Each of `METRICS`; NaN where it needs a GT that is not there."""
    kept: bool
    """False: the group's ranks and anchors contradict each other; not for training."""
    alpha: float
    beta: float


def read_manifest(directory: Path) -> Manifest:
    """Raises BadDataset if curation has not finished there."""
    path = directory / MANIFEST
    if not path.is_file():
        raise BadDataset(f"{directory}: no {MANIFEST}: `oars compass curate` has not finished there")
    return read_json(path, Manifest, BadDataset)


def check_curated(directory: Path) -> Manifest:
    """The manifest, once every table that it lists is there and whole by its footer. Raises BadDataset."""
    manifest = read_manifest(directory)
    for file in manifest.shards:
        _check_table(directory / file)
    return manifest


def check_annotated(directory: Path) -> None:
    """The same with the labels: what training and evaluation of a judge read. Raises BadDataset."""
    manifest = check_curated(directory)
    _check_labels(directory, manifest)
    for table, shard in product(("labels", "groups"), shard_names(manifest)):
        _check_table(directory / table / shard)


def read_groups(directory: Path, split: DataSplit | None = None, kept_only: bool = False) -> Iterator[Group]:
    """The annotated groups of one split, or of all, in a stable order. Raises BadDataset."""
    manifest = read_manifest(directory)
    _check_labels(directory, manifest)
    for shard in shard_names(manifest):
        for group in annotated_groups(directory, manifest, shard):
            if split in (None, group.split) and (group.kept or not kept_only):
                yield group


def annotated_groups(directory: Path, manifest: Manifest, shard: str) -> Iterator[Group]:
    """The annotated groups of one shard."""
    labels = _by_group(read_shard(directory / "labels" / shard))
    verdicts = {row["input_id"]: row for row in read_shard(directory / "groups" / shard)}
    for group in read_shard_groups(directory, manifest, shard):
        yield _annotated(group, labels[group.input_id], verdicts[group.input_id])


def manifest_digest(shards: dict[str, str]) -> str:
    """SHA-256 over the sorted digests of `shards` (file -> SHA-256)."""
    return hashlib.sha256("\n".join(sorted(shards.values())).encode()).hexdigest()


def fidelity_bounds(directory: Path) -> dict[str, float] | None:
    """Bounds of the F labels, as `oars.compass.annotation.fidelity_labels.FidelityMap.beside` reads it: the fitted
    bounds, and that of DISTS where it made the labels. None if the data have no F."""
    record = json.loads((directory / LABELS_FILE).read_text()).get("fidelity")
    if record is None:
        return None
    bound = record.get("dists_bound")
    return dict(record["bounds"]) | ({} if bound is None else {"dists_bound": bound})


def read_explanations(directory: Path) -> dict[str, dict[str, str]]:
    """input_id -> enhancer -> text, of what a larger model wrote about transitions (`explanations/`); mostly none."""
    told: dict[str, dict[str, str]] = defaultdict(dict)
    for file in sorted((directory / "explanations").glob("*.parquet")):
        for row in read_shard(file):
            told[row["input_id"]][row["enhancer"]] = row["text"]
    return dict(told)


def shard_names(manifest: Manifest) -> list[str]:
    """File names of the shards, the same in every table's folder, in order."""
    return sorted({Path(name).name for name in manifest.shards if name.startswith("inputs/")})


def transition_files(manifest: Manifest, shard: str) -> list[str]:
    """The files that hold the transitions of one shard's inputs, one an enhancer, relative to the data set."""
    return sorted(name for name in manifest.shards if name.startswith("transitions/") and name.endswith(f".{shard}"))


def read_shard_groups(directory: Path, manifest: Manifest, shard: str) -> Iterator[CuratedGroup]:
    """The curated groups of one shard."""
    files = [directory / name for name in transition_files(manifest, shard)]
    transitions = _by_group([row for file in files for row in read_shard(file)])
    for row in read_shard(directory / "inputs" / shard):
        yield _curated(row, sorted(transitions[row["input_id"]], key=lambda transition: transition["enhancer"]))


def _curated(row: Row, transitions: list[Row]) -> CuratedGroup:
    name = row["input_id"]
    return CuratedGroup(
        input_id=name,
        photo=row["photo"],
        split=row["split"],
        kind=row["kind"],
        strength=_real(row["strength"]),
        lr=decode_lossless(row["lr"], name),
        gt=None if row["gt"] is None else decode_lossless(row["gt"], name),
        enhancers=tuple(transition["enhancer"] for transition in transitions),
        families=tuple(transition["family"] for transition in transitions),
        sr=np.stack([decode_lossless(transition["sr"], name) for transition in transitions]),
    )


def _annotated(picture: CuratedGroup, rows: list[Row], verdict: Row) -> Group:
    by_enhancer = {row["enhancer"]: row for row in rows}
    ordered = [by_enhancer[enhancer] for enhancer in picture.enhancers]
    column = lambda name: np.array([_real(row[name]) for row in ordered])  # noqa: E731
    return Group(
        **vars(picture),
        q_lr=by_enhancer[LR]["q"],
        anchor=column("anchor"),
        q=column("q"),
        rank=column("rank"),
        fidelity=column("fidelity"),
        metrics={name: column(name) for name in METRICS},
        kept=verdict["kept"],
        alpha=_real(verdict["alpha"]),
        beta=_real(verdict["beta"]),
    )


def _check_table(path: Path) -> None:
    if fault := fault_of(path):
        raise BadDataset(f"{path}: {fault}")


def _check_labels(directory: Path, manifest: Manifest) -> None:
    path = directory / LABELS_FILE
    if not path.is_file():
        raise BadDataset(f"{directory}: no {LABELS_FILE}: `oars compass annotate` has not finished there")
    record = read_json(path, _Labels, BadDataset)
    if record.schema_version != LABELS_VERSION:
        found = f"labels of schema {record.schema_version}, expected {LABELS_VERSION}"
        raise BadDataset(f"{path}: {found}: run `oars compass annotate` again")
    if record.manifest_digest != manifest.digest:
        raise BadDataset(f"{path}: labels of other pictures than {MANIFEST} lists: run `oars compass annotate` again")


def _by_group(rows: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["input_id"]].append(row)
    return groups


def _real(value: float | None) -> float:
    return nan if value is None else float(value)
