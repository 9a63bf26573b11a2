"""A hand-made COMPASS data set: tiny pictures, made-up labels, in the real format."""

import time
from pathlib import Path

import numpy as np
from PIL import Image

from oars.compass.data.dataset import (
    LABELS_FILE,
    LABELS_VERSION,
    MANIFEST,
    SCHEMA_VERSION,
    CuratedGroup,
    EnhancerEntry,
    Manifest,
    PhotoEntry,
    manifest_digest,
    read_manifest,
    read_shard_groups,
    shard_names,
)
from oars.compass.data.tables import GROUPS, INPUTS, LABELS, LR, TRANSITIONS, Row, write_shard
from oars.files import sha256, write_text
from oars.imaging.image_io import encode_png

SPLITS = ("train", "train", "validation", "evaluation")
SIDE, SCALE = 32, 4


def write_tiny_dataset(directory: Path, groups: int = 8, enhancers: int = 4, per_shard: int = 3, seed: int = 0) -> None:
    """`groups` annotated groups over four photos, `enhancers` smooth noises of one picture each: more noise is worse.

    Every fourth group is real (no GT, F masked); group 1 is not kept.
    """
    rng = np.random.default_rng(seed)
    names = [f"method_{k}" for k in range(enhancers)]
    shards: dict[str, str] = {}
    for start in range(0, groups, per_shard):
        shard = f"{start // per_shard:05d}.parquet"
        made = [_group(index, names, rng) for index in range(start, min(start + per_shard, groups))]
        files = {f"inputs/{shard}": (INPUTS, [group["input"] for group in made])}
        for k, name in enumerate(names):
            files[f"transitions/{name}.{shard}"] = (TRANSITIONS, [group["transitions"][k] for group in made])
        for file, (schema, rows) in files.items():
            write_shard(directory / file, schema, rows, "hand-made")
            shards[file] = sha256(directory / file)
        labels = [row for group in made for row in group["labels"]]
        write_shard(directory / "labels" / shard, LABELS, labels, "hand-made")
        write_shard(directory / "groups" / shard, GROUPS, [group["verdict"] for group in made], "hand-made")
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        digest=manifest_digest(shards),
        seed=seed,
        counts={"inputs": groups, "transitions": groups * enhancers},
        enhancers=tuple(EnhancerEntry(name=name, family=_family(name), licence="-", source="-") for name in names),
        photos=tuple(PhotoEntry(name=f"photo_{i}", split=SPLITS[i], licence="-", author="-") for i in range(4)),
        shards=shards,
    )
    write_text(directory / MANIFEST, manifest.model_dump_json(indent=1))
    write_text(
        directory / LABELS_FILE, f'{{"schema_version": {LABELS_VERSION}, "manifest_digest": "{manifest.digest}"}}'
    )


def curated_groups(directory: Path) -> list[CuratedGroup]:
    """All groups of a curated data set, annotated or not, in a stable order."""
    manifest = read_manifest(directory)
    return [g for shard in shard_names(manifest) for g in read_shard_groups(directory, manifest, shard)]


def _family(name: str) -> str:
    return "generative" if name.endswith(("1", "3")) else "regression"


def _group(index: int, names: list[str], rng: np.random.Generator) -> dict:
    real, input_id = index % 4 == 3, f"photo_{index % 4}@{index}"
    gt = _smooth(rng)
    lr = np.asarray(Image.fromarray(gt).reduce(SCALE))
    noisy = [
        np.clip(gt + rng.normal(size=gt.shape) * 12.0 * (k + 1), 0, 255).astype(np.uint8) for k in range(len(names))
    ]
    quality = np.linspace(4.5, 1.5, len(names))
    return {
        "input": {
            "input_id": input_id,
            "photo": f"photo_{index % 4}",
            "split": SPLITS[index % 4],
            "kind": "real" if real else "synthetic",
            "strength": None if real else index / 8,
            "lr": encode_png(lr),
            "gt": None if real else encode_png(gt),
        },
        "transitions": [
            {"input_id": input_id, "enhancer": name, "family": _family(name), "sr": encode_png(_pixels(sr))}
            for name, sr in zip(names, noisy, strict=True)
        ],
        "labels": [
            _label(input_id, LR, None, 2.0, None),
            *(
                _label(input_id, name, 1 - k / max(1, len(names) - 1), q, None if real else 0.9 - 0.1 * k)
                for k, (name, q) in enumerate(zip(names, quality, strict=True))
            ),
        ],
        "verdict": {
            "input_id": input_id,
            "alpha": -0.5 if index == 1 else 3.0,
            "beta": 1.5,
            "kept": index != 1,
            "reason": "alpha_not_positive" if index == 1 else "kept",
        },
    }


def _pixels(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 255).astype(np.uint8)


def _label(input_id: str, enhancer: str, rank: float | None, q: float, fidelity: float | None) -> Row:
    """The metrics say what the quality says."""
    measured = {"stlpips": 1 - q / 5, "cvvdp": 5 + q, "psnr": 20 + q, "ssim": q / 5} if fidelity is not None else {}
    return {
        "input_id": input_id,
        "enhancer": enhancer,
        "rank": rank,
        "anchor": q,
        "q": q,
        "fidelity": fidelity,
        **measured,
        "niqe32": 5.0,
        "brisque": 30.0,
    }


def _smooth(rng: np.random.Generator) -> np.ndarray:
    small = rng.integers(0, 255, (4, 4, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def slow_copy(lr: np.ndarray, scale: int, seed: int) -> np.ndarray:
    """An enhancer of a user: every pixel repeated, in a time that leaves room to be killed in."""
    time.sleep(0.1)
    return lr.repeat(scale, 0).repeat(scale, 1)
