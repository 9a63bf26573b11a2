"""Which photos are to be enlarged, and which file each becomes."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oars.imaging.encoding import FORMATS
from oars.imaging.folder import SUFFIXES, NoPhotos
from oars.imaging.survey import named
from oars.names import printable

_UNREAD = {".heic", ".heif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}
"""Photos of phones and cameras in formats that cannot be read."""


@dataclass(frozen=True)
class Task:
    """One photo and where its enlargement goes."""

    source: Path
    target: Path


def enlargement_tasks(
    photos: list[Path], out: Path | None, scale: float, suffix: str
) -> tuple[list[Task], Path | None]:
    """The tasks, and the folder of their outputs; none for a single photo. Raises NoPhotos."""
    if missing := [photo for photo in photos if not photo.exists()]:
        raise NoPhotos(f"{printable(missing[0])}: no such photo or folder")
    mark = f"_x{scale:g}"
    if len(photos) == 1 and not photos[0].is_dir():
        [photo] = photos
        if out is None or out.suffix.lower() in FORMATS or not out.is_dir():
            return [Task(photo, out or photo.with_name(f"{photo.stem}{mark}.{suffix}"))], None
    folder = out or photos[0].with_name(f"{photos[0].absolute().name}{mark}")
    found = [pair for photo in photos for pair in _below(photo, folder)]
    if not found:
        left_out = photos_left_out(photos, folder)
        where = ", ".join(printable(photo) for photo in photos)
        raise NoPhotos(f"no photos in {where}" + (f"; {left_out}" if left_out else ""))
    alike = Counter(name.with_suffix("") for _, name in found)
    # Two photos that differ by their endings alone keep them.
    names = [name.with_suffix("") if alike[name.with_suffix("")] == 1 else name for _, name in found]
    pairs = zip(found, names, strict=True)
    return [Task(photo, folder / name.with_name(f"{name.name}.{suffix}")) for (photo, _), name in pairs], folder


def photos_left_out(photos: list[Path], out: Path) -> str:
    """One line about the photos below the folders whose format cannot be read; empty if there are none."""
    folders = [photo for photo in photos if photo.is_dir()]
    names = [name for folder in folders for path, name in _files(folder, out) if path.suffix.lower() in _UNREAD]
    return named([f"{printable(name)}: {name.suffix} cannot be read" for name in names]) if names else ""


def _below(photo: Path, out: Path) -> Iterator[tuple[Path, Path]]:
    """Each photo with its name below the folder that was given."""
    if not photo.is_dir():
        return iter([(photo, Path(photo.name))])
    return ((path, name) for path, name in _files(photo, out) if path.suffix.lower() in SUFFIXES)


def _files(photos: Path, out: Path) -> Iterator[tuple[Path, Path]]:
    """Each file with its name below the folder; hidden files and the outputs' folder are left out."""
    for folder, folders, files in os.walk(photos):
        folders[:] = sorted(f for f in folders if f[0] != "." and Path(folder, f).absolute() != out.absolute())
        for file in sorted(files):
            if file[0] != ".":
                path = Path(folder, file)
                yield path, path.relative_to(photos)
