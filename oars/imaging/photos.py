"""Finds the photos of one split: named ones (`photos.csv`) where their packages put them, or a folder of the user's.

The split is by photo, never by crop: no pixel of an evaluation photo reaches the training of the generator or of the
judge. Both halves of a stereo pair are one photo. A folder of the user's own is split by a stable hash of the name.
"""

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oars.errors import UserError
from oars.imaging.image_io import read_image
from oars.imaging.photo_list import ListedPhoto, Source, Split, listed_photos
from oars.names import printable

WALLPAPER_DIR = Path("/usr/share/backgrounds")
BACKGROUND_DIR = Path("/usr/share")

# Folders that file servers and archives keep beside a user's own: thumbnails, bins, snapshots, resource forks.
_NOT_THE_USERS = {"@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "__macosx"}
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}


@dataclass(frozen=True)
class Photo:
    """One source photo: `name` identifies it in manifests and group ids; `reduction` shrinks it to sharp pixels."""

    name: str
    path: Path
    reduction: int = 1

    def pixels(self, full_size: bool = False) -> NDArray[np.uint8]:
        """RGB, uint8 [H, W, 3]; at `1 / reduction` of the size unless `full_size`. Raises BadImage naming the file."""
        pixels = read_image(self.path)
        if self.reduction > 1 and not full_size:
            return np.asarray(Image.fromarray(pixels).reduce(self.reduction))
        return pixels


class NoPhotos(UserError, ValueError):
    """The named source holds no photo of the wanted split."""


def photos_by_split(source: str) -> dict[Split, list[Photo]]:
    """Photos of `packages`, `wallpapers`, `all` (both), `backgrounds` or a folder, in a stable order.

    Raises NoPhotos naming a source that is neither.
    """
    if source == "all":
        found = [*_listed_photos("packages"), *_listed_photos("wallpapers")]
    elif source in get_args(Source):
        found = list(_listed_photos(source))
    elif _is_folder(source):
        found = list(_folder_photos(Path(source)))
    else:
        raise NoPhotos(f"no photos in {source!r}: expected 'packages', 'wallpapers', 'all', 'backgrounds' or a folder")
    return {split: [photo for of, photo in found if of == split] for split in get_args(Split)}


def find_photos(source: str, split: Split) -> list[Photo]:
    """Those of one split. Raises NoPhotos naming the source if there are none."""
    if photos := photos_by_split(source)[split]:
        return photos
    raise NoPhotos(f"no {split} photos in {source!r}")


def _listed_photos(source: str) -> Iterator[tuple[Split, Photo]]:
    for listed in listed_photos():
        if listed.source == source and (root := _root(listed)) is not None:
            path = root / listed.name
            if path.exists():
                yield listed.split, Photo(listed.name, path, listed.reduction)


def _root(listed: ListedPhoto) -> Path | None:
    """The folder that `listed.name` is below; None if its Python package is not installed."""
    if listed.source != "packages":
        return WALLPAPER_DIR if listed.source == "wallpapers" else BACKGROUND_DIR
    spec = find_spec(listed.name.split("/", 1)[0])
    return None if spec is None or spec.origin is None else Path(spec.origin).parents[1]


def _folder_photos(folder: Path) -> Iterator[tuple[Split, Photo]]:
    """Files alone, and neither hidden ones nor any below a folder that is hidden or not the user's."""
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.suffix.lower() in _SUFFIXES and not any(map(_is_hidden, inner.parts)) and path.is_file():
            name = printable(inner)
            yield folder_split(name), Photo(name, path)


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part.casefold() in _NOT_THE_USERS


def _is_folder(source: str) -> bool:
    try:
        return Path(source).is_dir()
    except OSError:  # such as a name that is too long
        return False


def folder_split(name: str) -> Split:
    """One photo in five is for evaluation (ours), by a hash of its name, so adding photos moves no other photo.

    The name is hashed in Unicode's composed form (NFC): file systems that decompose names leave the split as it is.
    """
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode()).digest()
    return "evaluation" if digest[0] % 5 == 0 else "train"
