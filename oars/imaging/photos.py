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

WALLPAPER_DIR = Path("/usr/share/backgrounds")
BACKGROUND_DIR = Path("/usr/share")

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


def find_photos(source: str, split: Split) -> list[Photo]:
    """Photos of one split from `packages`, `wallpapers`, `all` (both), `backgrounds` or a folder, in a stable order.

    Raises NoPhotos naming the source if there are none.
    """
    if source == "all":
        photos = [*_listed_photos("packages", split), *_listed_photos("wallpapers", split)]
    elif source in get_args(Source):
        photos = list(_listed_photos(source, split))
    else:
        photos = list(_folder_photos(Path(source), split))
    if not photos:
        expected = "'packages', 'wallpapers', 'all', 'backgrounds' or a folder of images"
        raise NoPhotos(f"no {split} photos in {source!r}: expected {expected}")
    return photos


def _listed_photos(source: str, split: Split) -> Iterator[Photo]:
    for listed in listed_photos():
        if listed.source == source and listed.split == split and (root := _root(listed)) is not None:
            path = root / listed.name
            if path.exists():
                yield Photo(listed.name, path, listed.reduction)


def _root(listed: ListedPhoto) -> Path | None:
    """The folder that `listed.name` is below; None if its Python package is not installed."""
    if listed.source != "packages":
        return WALLPAPER_DIR if listed.source == "wallpapers" else BACKGROUND_DIR
    spec = find_spec(listed.name.split("/", 1)[0])
    return None if spec is None or spec.origin is None else Path(spec.origin).parents[1]


def _folder_photos(folder: Path, split: Split) -> Iterator[Photo]:
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES):
        name = path.relative_to(folder).as_posix()
        if folder_split(name) == split:
            yield Photo(name, path)


def folder_split(name: str) -> Split:
    """One photo in five is for evaluation (ours), by a hash of its name, so adding photos moves no other photo.

    The name is hashed in Unicode's composed form (NFC): file systems that decompose names leave the split as it is.
    """
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode()).digest()
    return "evaluation" if digest[0] % 5 == 0 else "train"
