"""The pictures that a run keeps of FR-RL, and the data set for its judge that they become.

A run keeps, of each group with a ground truth, LR, ground truth and a few candidates (`pictures/GROUP.npz`). The data
set holds them as enhancers `policy_0`, `policy_1`, ... beside four that span the scale: the bicubic LR, the first
candidate with half and with 1.7 times of what it adds to that, and the ground truth. Photos, not crops, are split into
train and validation. Ours.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from oars.compass.data.dataset import (
    MANIFEST,
    SCHEMA_VERSION,
    BadDataset,
    DataSplit,
    EnhancerEntry,
    Manifest,
    PhotoEntry,
    manifest_digest,
)
from oars.compass.data.tables import INPUTS, TRANSITIONS, Row, recipe_of, write_shard
from oars.compass.views import lr_view
from oars.files import sha256, write_text, write_whole
from oars.imaging.credits import credit_of
from oars.imaging.crops import Pair
from oars.imaging.image_io import encode_png

Pixels = NDArray[np.uint8]

PICTURES = "pictures"
POLICY, TIMID, EXAGGERATED = "policy_0", "policy_timid", "policy_exaggerated"
BICUBIC, TRUTH = "bicubic", "truth"
_TIMID, _EXAGGERATED = 0.5, 1.7
"""Factors on what a candidate adds to the bicubic LR: half of the policy's faults, and faults that anyone sees."""
_SHARD = 8
"""Groups. A shard is what measuring tells progress by: at 512 px it takes minutes on a CPU core."""
_VALIDATION = 5
"""One photo in so many is for validation."""
LEAST_PHOTOS = 3
"""Two to fit the scale of labels on, one to validate on."""


@dataclass(frozen=True)
class RunPicture:
    """One group of FR-RL."""

    name: str
    photo: str
    lr: Pixels
    gt: Pixels
    sr: Pixels
    """[K, H, W, 3]"""


def keep_pictures(path: Path, pair: Pair, images: Pixels, count: int) -> None:
    """Write the first `count` of a group's candidates uint8 [K, H, W, 3] with their LR and ground truth."""
    assert pair.gt is not None
    lr, gt, name = pair.lr, pair.gt, np.array(pair.image_id)

    def write(aside: Path) -> None:
        with aside.open("wb") as file:  # numpy would add its suffix to a name
            np.savez_compressed(file, lr=lr, gt=gt, sr=images[:count], image_id=name)

    write_whole(path, write)


def _picture_files(run: Path) -> list[Path]:
    """Of each group, in a stable order. Raises BadDataset naming a run that kept none."""
    files = sorted((run / PICTURES).glob("[!.]*.npz"))
    if not files:
        raise BadDataset(f"{run}: no {PICTURES}/: FR-RL kept none (control.kept_pictures), or has not begun")
    return files


def read_pictures(run: Path) -> Iterator[RunPicture]:
    """In a stable order. Raises BadDataset."""
    for path in _picture_files(run):
        with np.load(path, allow_pickle=False) as file:
            photo = str(file["image_id"]).rpartition("@")[0]
            yield RunPicture(path.stem, photo, file["lr"], file["gt"], file["sr"])


def write_data_set(run: Path, out: Path, told: Callable[[int, int], None] = lambda done, total: None) -> Manifest:
    """The curated data set of a run's pictures, to be annotated; `told` receives the groups done and all of them.

    Raises BadDataset.
    """
    shards: dict[str, str] = {}
    splits, kept = _splits(run), len(_picture_files(run))
    names: list[str] = []
    total = 0
    for number, pictures in enumerate(_batches(read_pictures(run))):
        transitions = [transitions_of(picture) for picture in pictures]
        names, total = sorted({*names, *transitions[0]}), total + len(pictures)
        shard = f"{number:05d}.parquet"
        shards |= _write_shard(out, shard, pictures, transitions, splits)
        told(total, kept)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        digest=manifest_digest(shards),
        seed=0,
        counts={"inputs": total, "enhancers": len(names)},
        enhancers=tuple(_enhancer(name, run) for name in names),
        photos=tuple(_photo(name, splits[name]) for name in sorted(splits)),
        shards=shards,
    )
    write_text(out / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    return manifest


def transitions_of(picture: RunPicture) -> dict[str, Pixels]:
    """Outputs by enhancer."""
    low = lr_view(picture.lr, *picture.gt.shape[:2])
    added = picture.sr[0].astype(np.float32) - low
    made = {name: low + factor * added for name, factor in ((TIMID, _TIMID), (EXAGGERATED, _EXAGGERATED))}
    return {
        BICUBIC: low,
        TRUTH: picture.gt,
        **{f"policy_{k}": one for k, one in enumerate(picture.sr)},
        **{name: np.clip(np.rint(one), 0, 255).astype(np.uint8) for name, one in made.items()},
    }


def _write_shard(
    out: Path,
    shard: str,
    pictures: Sequence[RunPicture],
    transitions: Sequence[dict[str, Pixels]],
    splits: Mapping[str, DataSplit],
) -> dict[str, str]:
    """Files of one shard with their digests."""
    inputs: list[Row] = [
        {"input_id": p.name, "photo": p.photo, "split": splits[p.photo], "kind": "synthetic", "strength": None}
        | {"lr": encode_png(p.lr), "gt": encode_png(p.gt)}
        for p in pictures
    ]
    tables: dict[str, tuple[pa.Schema, list[Row]]] = {f"inputs/{shard}": (INPUTS, inputs)}
    for name in transitions[0]:
        rows: list[Row] = [
            {"input_id": p.name, "enhancer": name, "family": _family(name), "sr": encode_png(made[name])}
            for p, made in zip(pictures, transitions, strict=True)
        ]
        tables[f"transitions/{name}.{shard}"] = (TRANSITIONS, rows)
    for file, (schema, rows) in tables.items():
        write_shard(out / file, schema, rows, recipe_of(PICTURES, [p.name for p in pictures]))
    return {file: sha256(out / file) for file in tables}


def _splits(run: Path) -> dict[str, DataSplit]:
    """Of the photos in the order of their names' hashes, the first fifth is for validation. Raises BadDataset."""
    photos = {picture.photo for picture in read_pictures(run)}
    if len(photos) < LEAST_PHOTOS:
        raise BadDataset(f"{run}: pictures of {len(photos)} photos, {LEAST_PHOTOS} are needed: let FR-RL run longer")
    ordered = sorted(photos, key=lambda photo: hashlib.sha256(photo.encode()).digest())
    validation = ordered[: max(1, len(ordered) // _VALIDATION)]
    return {photo: "validation" if photo in validation else "train" for photo in ordered}


def _batches(pictures: Iterator[RunPicture]) -> Iterator[list[RunPicture]]:
    batch: list[RunPicture] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == _SHARD:
            yield batch
            batch = []
    if batch:
        yield batch


def _family(name: str) -> str:
    return "regression" if name == BICUBIC else "generative"


def _enhancer(name: str, run: Path) -> EnhancerEntry:
    return EnhancerEntry(name=name, family=_family(name), licence="that of the photos", source=run.name)


def _photo(name: str, split: DataSplit) -> PhotoEntry:
    credit = credit_of(name)
    return PhotoEntry(name=name, split=split, licence=credit.licence, author=credit.author)
