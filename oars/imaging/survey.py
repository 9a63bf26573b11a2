"""The photos of a source that a run can use, known before a cluster starts: both splits, and those left out and why.

Headers are read, and whole files only where they do not end as a picture of their format does. The evaluation photos
are drawn by the run's seed, no more than there are crops, and opened again. One that is in the training split, too,
under another name, is left out of the training (oars/imaging/twins.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oars.config.run import DataConfig
from oars.errors import naming
from oars.imaging.image_io import BadImage
from oars.imaging.photo_table import PhotoTable
from oars.imaging.photos import NoPhotos, photos_by_split
from oars.imaging.twins import not_held_out
from oars.seeds import derive_seed

_NAMED = 3
"""So many of the photos that were left out are named in a line."""


@dataclass(frozen=True)
class Survey:
    train: PhotoTable
    evaluation: PhotoTable
    """Drawn from those of the split that can be used."""
    evaluation_split: int
    """Number of these."""
    low_quality: PhotoTable
    """Of `data.low_quality.photos`; none without such a folder."""
    left_out: list[str]
    """A line for each photo that cannot be used: its name and why."""

    @property
    def line(self) -> str:
        """For people."""
        of = f" (drawn of {self.evaluation_split})" if self.evaluation_split > len(self.evaluation) else ""
        real = f", {len(self.low_quality)} of low quality" if self.low_quality else ""
        counts = f"{len(self.train)} to train on{real}, {len(self.evaluation)} to evaluate on{of}"
        return f"{counts}; {named(self.left_out)}" if self.left_out else counts


def survey(data: DataConfig, seed: int) -> Survey:
    """Raises NoPhotos naming the source and the split that holds none."""
    found = photos_by_split(data.photos)
    train, small = usable(found["train"], data.crop)
    held_out, smaller = usable(found["evaluation"], data.evaluation_crop)
    evaluation, gone = _drawn(held_out, data, seed)
    train, known = not_held_out(train, evaluation)
    low_quality, bad = _low_quality(data, evaluation)
    result = Survey(train, evaluation, len(held_out), low_quality, [*small, *smaller, *gone, *known, *bad])
    for split, photos in (("train", train), ("evaluation", evaluation)):
        if not photos:
            raise NoPhotos(
                f"data.photos: no {split} photos in {data.photos!r} ({result.line}): of a folder, a hash of each "
                "file's name puts about one photo in five into the evaluation; add photos, or rename one"
            )
    return result


def _low_quality(data: DataConfig, evaluation: PhotoTable) -> tuple[PhotoTable, list[str]]:
    """Both splits of the folder: no input of it is held out. Raises NoPhotos for a folder without any."""
    if (folder := data.low_quality.photos) is None:
        return PhotoTable.joined([]), []
    with naming("data.low_quality.photos", NoPhotos):
        found = photos_by_split(folder)
    photos, small = usable(PhotoTable.joined([found["train"], found["evaluation"]]), data.crop // data.scale, True)
    photos, known = not_held_out(photos, evaluation)
    if not photos:
        raise NoPhotos(f"data.low_quality.photos: none in {folder!r} can be used ({named([*small, *known])})")
    return photos, [*small, *known]


def usable(photos: PhotoTable, side: int, full_size: bool = False) -> tuple[PhotoTable, list[str]]:
    """Those that can be read and hold a window of `side` pixels, and a line for each of the others."""
    reduction = 1 if full_size else photos.column("reduction")
    width, height = (photos.column(name) // reduction for name in ("width", "height"))
    holds = np.minimum(width, height) >= side
    rest = photos.where(~holds)
    sizes = zip(rest.texts("name"), rest.texts("fault"), width[~holds], height[~holds], strict=True)
    return photos.where(holds), [
        fault or f"{name}: {width}x{height} px holds no {side} px crop" for name, fault, width, height in sizes
    ]


def _drawn(photos: PhotoTable, data: DataConfig, seed: int) -> tuple[PhotoTable, list[str]]:
    """At most one photo a crop, by the seed and the photos' names, in the order of the source; each can be read."""
    draws = np.array([derive_seed("evaluation_photo", seed, name or "") for name in photos.texts("name")])
    chosen = np.zeros(len(photos), bool)
    left_out = []
    for index in map(int, np.argsort(draws, kind="stable")):
        if chosen.sum() == data.evaluation_crops:
            break
        try:
            photos[index].check()
            chosen[index] = True
        except BadImage as error:
            left_out.append(str(error))
    return photos.where(chosen), left_out


def named(left_out: Sequence[str]) -> str:
    """In one line, however many there are."""
    more = f"; and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
    return f"{len(left_out)} left out: {'; '.join(left_out[:_NAMED])}{more}"
