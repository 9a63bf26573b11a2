"""The list of a data set's inputs and how each is made: the pure half of `oars compass curate`.

The photos of a split take turns; each input is one window of its photo. Window `number` of a photo is the same whatever
other photos, splits or counts there are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oars.compass.data.dataset import DataSplit, Kind
from oars.compass.data.tables import Row, recipe_of
from oars.config.base import BadConfig
from oars.config.curation import FULL_SIZE, CountsConfig, CurationConfig
from oars.files import sha256
from oars.imaging.bucket import Blob
from oars.imaging.crops import Window, degraded_window, photo_pixels, random_window, texture
from oars.imaging.image_io import encode_png
from oars.imaging.photo import Photo
from oars.imaging.photo_list import Split
from oars.imaging.photo_table import PhotoTable
from oars.imaging.photos import NoPhotos, photos_by_split
from oars.imaging.survey import named, usable
from oars.imaging.twins import not_held_out
from oars.seeds import derive_seed

SPLITS: tuple[DataSplit, ...] = ("train", "validation", "evaluation")

# Of so many random windows the most textured one is taken: a flat or defocused one says nothing about quality (ours).
_TRIES = 12
_NAME_LENGTH = 200


@dataclass(frozen=True)
class InputPlan:
    """One input to be made: window `number` of a photo."""

    input_id: str
    photo: Photo
    split: DataSplit
    kind: Kind
    number: int


Shards = Sequence[tuple[str, tuple[InputPlan, ...]]]
"""File name of a shard, and its inputs."""


def plan_inputs(config: CurationConfig) -> list[InputPlan]:
    """All inputs in order of their ids. Raises NoPhotos or BadConfig before any is made."""
    kinds: tuple[tuple[Kind, CountsConfig], ...] = (
        ("synthetic", config.synthetic.counts),
        ("real", config.real.counts),
    )
    plans: list[InputPlan] = []
    for kind, counts in kinds:
        for split in SPLITS:
            if (wanted := getattr(counts, split)) and not _nothing_installed(config, kind):
                photos = photos_of(config, kind, split)
                turns = [(photos[i % len(photos)], i // len(photos)) for i in range(wanted)]
                plans += [_plan(len(plans) + i, kind, split, *turn) for i, turn in enumerate(turns)]
    if not plans:
        raise BadConfig("no inputs: synthetic.counts and real.counts are all 0")
    return plans


def photos_left_out(config: CurationConfig) -> list[str]:
    """A line for each photo of the sources that no input can be made of: its name and why."""
    bases: tuple[Split, ...] = ("train", "evaluation")
    kinds: tuple[Kind, ...] = ("synthetic", "real")
    wanted = [kind for kind in kinds if getattr(config, kind).counts != CountsConfig()]
    lines = [line for kind in wanted for base in bases for line in _surveyed(config, kind, base)[1]]
    return list(dict.fromkeys(lines))


def photos_of(config: CurationConfig, kind: Kind, split: DataSplit) -> PhotoTable:
    """Those that can be used. Raises NoPhotos naming the sources if there are none."""
    photos, left_out = _surveyed(config, kind, "evaluation" if split == "evaluation" else "train")
    if split != "evaluation":
        validation = np.array([name in config.validation for name in photos.texts("name")], bool)
        photos = photos.where(validation == (split == "validation"))
    if not photos:
        why = f" ({named(left_out)})" if left_out else ""
        raise NoPhotos(f"{kind} inputs: no {split} photos in {', '.join(getattr(config, kind).photos)}{why}")
    return photos


def _surveyed(config: CurationConfig, kind: Kind, base: Split) -> tuple[PhotoTable, list[str]]:
    """Photos that can be read, hold a window, and are in one split alone; a line for each of the others."""
    sources, real = getattr(config, kind).photos, kind == "real"
    photos = PhotoTable.joined([_source(config, source, base) for source in sources])
    photos, left_out = usable(photos, config.crop // config.scale if real else config.crop, full_size=real)
    if base == "evaluation":
        return photos, left_out
    held_out = PhotoTable.joined([_source(config, source, "evaluation") for source in sources])
    photos, known = not_held_out(photos, usable(held_out, 1, full_size=True)[0])
    return photos, [*left_out, *known]


def _nothing_installed(config: CurationConfig, kind: Kind) -> bool:
    """Real inputs that only installed wallpapers could give, where none is: left out, as every absent photo is."""
    if kind == "synthetic" or config.real.photos != (FULL_SIZE,):
        return False
    return not any(_source(config, FULL_SIZE, split) for split in ("train", "evaluation"))


def _source(config: CurationConfig, source: str, split: Split) -> PhotoTable:
    if source == FULL_SIZE:
        own = PhotoTable.joined([_source(config, other, split) for other in config.synthetic.photos])
        return own.where(own.column("reduction") > 1)
    try:
        return photos_by_split(source)[split]
    except NoPhotos:
        # A Debian package that is not installed; a folder that is not there is a mistake.
        if Path(source).is_absolute() or "/" in source:
            raise
        return PhotoTable.joined([])


def _plan(index: int, kind: Kind, split: DataSplit, photo: Photo, number: int) -> InputPlan:
    # Cut, because it becomes part of file names, which have at most 255 bytes.
    name = re.sub(r"[^A-Za-z0-9]+", "-", Path(photo.name).with_suffix("").as_posix())[:_NAME_LENGTH]
    return InputPlan(f"{index:06d}-{name}", photo, split, kind, number)


def shards(plans: Sequence[InputPlan], size: int) -> Shards:
    starts = range(0, len(plans), size)
    return [(f"{start // size:05d}.parquet", tuple(plans[start : start + size])) for start in starts]


def inputs_recipe(config: CurationConfig, plans: Sequence[InputPlan], digests: dict[Path | Blob, str]) -> str:
    """Digest of all that a shard of inputs depends on; `digests` is of the photos' files."""
    made_of = [
        (plan.input_id, plan.photo.name, plan.photo.reduction, digests[plan.photo.path], plan.number) for plan in plans
    ]
    synthetic = config.synthetic.model_dump(include={"strength", "degradation"}, mode="json")
    return recipe_of("inputs", config.seed, config.scale, config.crop, synthetic, made_of)


def photo_digests(plans: Sequence[InputPlan]) -> dict[Path | Blob, str]:
    """SHA-256 of each file or shard."""
    return {path: sha256(path) for path in {plan.photo.path for plan in plans}}


def make_inputs(config: CurationConfig, plans: Sequence[InputPlan]) -> Iterator[Row]:
    """Rows of the inputs table. Raises PhotoTooSmall naming the photo."""
    for plan in plans:
        made = _synthetic(config, plan) if plan.kind == "synthetic" else _real(config, plan)
        common = {"input_id": plan.input_id, "photo": plan.photo.name, "split": plan.split, "kind": plan.kind}
        yield common | made


def _synthetic(config: CurationConfig, plan: InputPlan) -> Row:
    rng = _rng(config, plan)
    strength = float(rng.uniform(*config.synthetic.strength))
    pixels = photo_pixels(plan.photo, False)
    window = _textured_window(plan.photo, pixels, config.crop, rng)
    degradation = config.synthetic.degradation.at_strength(strength)
    lr, gt = degraded_window(pixels, window, degradation, config.scale, int(rng.integers(2**31)))
    return {"strength": strength, "lr": encode_png(lr), "gt": encode_png(gt)}


def _real(config: CurationConfig, plan: InputPlan) -> Row:
    pixels = photo_pixels(plan.photo, True)
    window = _textured_window(plan.photo, pixels, config.crop // config.scale, _rng(config, plan))
    return {"strength": None, "lr": encode_png(window.of(pixels)), "gt": None}


def _textured_window(photo: Photo, pixels: NDArray[np.uint8], side: int, rng: np.random.Generator) -> Window:
    windows = [random_window(photo, pixels, side, rng) for _ in range(_TRIES)]
    return max(windows, key=lambda window: texture(window.of(pixels)))


def _rng(config: CurationConfig, plan: InputPlan) -> np.random.Generator:
    return np.random.default_rng(derive_seed("compass", config.seed, plan.kind, plan.photo.name, plan.number))
