"""Finds the photos of one split: named ones (`photos.csv`) where their packages put them, or a folder of the user's.

The split is by photo, never by crop: no pixel of an evaluation photo reaches the training of the generator or of the
judge. Both halves of a stereo pair are one photo.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from oars.imaging.bucket import Blob, is_bucket
from oars.imaging.folder import NoPhotos
from oars.imaging.photo import Photo
from oars.imaging.photo_index import folder_table
from oars.imaging.photo_list import ListedPhoto, Source, Split, listed_photos
from oars.imaging.photo_table import Found, PhotoTable

WALLPAPER_DIR = Path("/usr/share/backgrounds")
BACKGROUND_DIR = Path("/usr/share")


def photos_by_split(source: str) -> dict[Split, PhotoTable]:
    """Photos of `packages`, `wallpapers`, `backgrounds`, `all` (whatever of these is installed), a folder or one of a
    bucket, in a stable order.

    Raises NoPhotos naming a source that is none of these, BadBucket.
    """
    found = _photos(source)
    evaluation = found.column("evaluation").astype(bool)
    return {"train": found.where(~evaluation), "evaluation": found.where(evaluation)}


def find_photos(source: str, split: Split) -> PhotoTable:
    """Those of one split. Raises NoPhotos naming the source if there are none."""
    if photos := photos_by_split(source)[split]:
        return photos
    raise NoPhotos(f"no {split} photos in {source!r}")


def _photos(source: str) -> PhotoTable:
    if source == "all":
        return PhotoTable.of(found for each in get_args(Source) for found in _listed_photos(each))
    if source in get_args(Source):
        return PhotoTable.of(_listed_photos(source))
    if is_bucket(source):
        return folder_table(Blob.of(source))
    if _is_folder(source):
        return folder_table(Path(source))
    known = "'packages', 'wallpapers', 'backgrounds', 'all', a folder, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"
    raise NoPhotos(f"no photos in {source!r}: expected {known}")


def _listed_photos(source: str) -> Iterator[Found]:
    for listed in listed_photos():
        if listed.source == source and (root := _root(listed)) is not None:
            path = root / listed.name
            if path.exists():
                yield Found(Photo(listed.name, path, listed.reduction), listed.split)


def _root(listed: ListedPhoto) -> Path | None:
    """The folder that `listed.name` is below; None if its Python package is not installed."""
    if listed.source != "packages":
        return WALLPAPER_DIR if listed.source == "wallpapers" else BACKGROUND_DIR
    spec = find_spec(listed.name.split("/", 1)[0])
    return None if spec is None or spec.origin is None else Path(spec.origin).parents[1]


def _is_folder(source: str) -> bool:
    try:
        return Path(source).is_dir()
    except OSError:  # such as a name that is too long
        return False
