"""Which photos are to be enlarged, and which file each becomes."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oars.imaging.encoding import FORMATS
from oars.imaging.folder import SUFFIXES, NoPhotos
from oars.names import printable


@dataclass(frozen=True)
class Task:
    """One photo and where its enlargement goes."""

    source: Path
    target: Path


def enlargement_tasks(
    photos: list[Path], out: Path | None, scale: float, suffix: str
) -> tuple[list[Task], Path | None]:
    """The tasks, and the folder of their outputs; none for a single photo. Raises NoPhotos."""
    mark = f"_x{scale:g}"
    if len(photos) == 1 and not photos[0].is_dir():
        [photo] = photos
        if out is None or out.suffix.lower() in FORMATS or not out.is_dir():
            return [Task(photo, out or photo.with_name(f"{photo.stem}{mark}.{suffix}"))], None
    folder = out or photos[0].with_name(f"{photos[0].absolute().name}{mark}")
    found = [pair for photo in photos for pair in _below(photo, folder)]
    if not found:
        raise NoPhotos(f"no photos in {', '.join(printable(photo) for photo in photos)}")
    alike = Counter(name.with_suffix("") for _, name in found)
    # Two photos that differ by their endings alone keep them.
    names = [name.with_suffix("") if alike[name.with_suffix("")] == 1 else name for _, name in found]
    pairs = zip(found, names, strict=True)
    return [Task(photo, folder / name.with_name(f"{name.name}.{suffix}")) for (photo, _), name in pairs], folder


def _below(photo: Path, out: Path) -> Iterator[tuple[Path, Path]]:
    """Each photo with its name below the folder that was given; hidden files and the outputs' folder are left out."""
    if not photo.is_dir():
        yield photo, Path(photo.name)
        return
    for folder, folders, files in os.walk(photo):
        folders[:] = sorted(f for f in folders if f[0] != "." and Path(folder, f).absolute() != out.absolute())
        for file in sorted(files):
            path = Path(folder, file)
            if file[0] != "." and path.suffix.lower() in SUFFIXES:
                yield path, path.relative_to(photo)
