"""The photos of a source that a run can use, known before a cluster starts: both splits, and those left out and why.

Headers are read, and whole files only where they do not end as a picture of their format does. A photo of the
evaluation that is in the training split, too, under another name, is left out of the training.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from oars.config.run import DataConfig
from oars.files import sha256
from oars.imaging.image_io import BadImage, check_whole
from oars.imaging.photos import NoPhotos, Photo, photos_by_split

_NAMED = 3
"""So many of the photos that were left out are named in a line."""


@dataclass(frozen=True)
class Survey:
    train: list[Photo]
    evaluation: list[Photo]
    left_out: list[str]
    """A line for each photo that cannot be used: its name and why."""

    @property
    def line(self) -> str:
        """For people."""
        counts = f"{len(self.train)} to train on, {len(self.evaluation)} to evaluate on"
        return f"{counts}; {named(self.left_out)}" if self.left_out else counts


def survey(data: DataConfig) -> Survey:
    """Raises NoPhotos naming the source and the split that holds none."""
    found = photos_by_split(data.photos)
    train, small = usable(found["train"], data.crop)
    evaluation, smaller = usable(found["evaluation"], data.evaluation_crop)
    train, known = not_held_out(train, evaluation)
    result = Survey(train, evaluation, [*small, *smaller, *known])
    for split, photos in (("train", train), ("evaluation", evaluation)):
        if not photos:
            raise NoPhotos(
                f"data.photos: no {split} photos in {data.photos!r} ({result.line}): of a folder, a hash of each "
                "file's name puts about one photo in five into the evaluation; add photos, or rename one"
            )
    return result


def usable(photos: Iterable[Photo], side: int, full_size: bool = False) -> tuple[list[Photo], list[str]]:
    """Those that can be read and hold a window of `side` pixels, and a line for each of the others."""
    kept, left_out = [], []
    for photo in photos:
        if fault := fault_of(photo, side, full_size):
            left_out.append(fault)
        else:
            kept.append(photo)
    return kept, left_out


def fault_of(photo: Photo, side: int, full_size: bool = False) -> str | None:
    try:
        size = check_whole(photo.path)
    except BadImage as error:
        return str(error)
    width, height = (pixels if full_size else pixels // photo.reduction for pixels in size)
    return None if min(width, height) >= side else f"{photo.name}: {width}x{height} px holds no {side} px crop"


def not_held_out(train: Sequence[Photo], evaluation: Sequence[Photo]) -> tuple[list[Photo], list[str]]:
    """Those of `train` that are no evaluation photo under another name: the same bytes, or another suffix alone."""
    by_stem = {_stem(photo): photo for photo in evaluation}
    by_size: dict[int, list[Photo]] = defaultdict(list)
    for photo in evaluation:
        by_size[photo.path.stat().st_size].append(photo)
    kept, left_out = [], []
    for photo in train:
        same = by_stem.get(_stem(photo)) or _same_bytes(photo, by_size[photo.path.stat().st_size])
        if same is None:
            kept.append(photo)
        else:
            left_out.append(f"{photo.name}: the same photo as {same.name}, which is for evaluation")
    return kept, left_out


def named(left_out: Sequence[str]) -> str:
    """In one line, however many there are."""
    more = f"; and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
    return f"{len(left_out)} left out: {'; '.join(left_out[:_NAMED])}{more}"


def _stem(photo: Photo) -> str:
    return normalize("NFC", str(photo.path.with_suffix(""))).casefold()


def _same_bytes(photo: Photo, others: Sequence[Photo]) -> Photo | None:
    digest = sha256(photo.path) if others else ""
    return next((other for other in others if sha256(other.path) == digest), None)
