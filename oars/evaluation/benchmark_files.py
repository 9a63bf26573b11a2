"""Files of a benchmark folder by the names of its pictures, found without opening or loading anything; in the layouts
that published sets have.

    lr/ and hr/   pairs (RealSR, DRealSR, DIV2K crops); also `LR`/`HR`, `test_LR`/`test_HR`, `lr`/`gt`
    pictures      inputs without ground truth (RealSet80), or ground truths without inputs (Set14, own photos)

A picture's name is its file's without ending; in pairs also without a final `_LR4`, `_HR`, `x4`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from oars.errors import UserError
from oars.imaging.folder import SUFFIXES
from oars.names import printable

_LAYOUTS = (("lr", "hr"), ("LR", "HR"), ("test_LR", "test_HR"), ("lr", "gt"), ("LR", "GT"))
_ENDING = re.compile(r"(_LR\d?|_HR|_?x\d)$")


class BadBenchmark(UserError, ValueError):
    """A folder that is no benchmark; the message is one line naming the folder or the file."""


@dataclass(frozen=True)
class PictureFiles:
    """Where a picture of a benchmark is."""

    name: str
    path: Path
    """The input, or the ground truth in a folder of these alone."""
    gt: Path | None
    """The partner, in a folder of pairs."""


def picture_files(folder: Path, pairs: bool = True) -> list[PictureFiles]:
    """All pictures of a benchmark, by name; without `pairs` those in the folder itself alone. Raises BadBenchmark."""
    check_folder(folder)
    if pairs and (layout := _layout(folder)) is not None:
        found = _pairs(*layout)
    else:
        found = [PictureFiles(name, path, None) for name, path in files_by_name(folder).items()]
    if not found:
        raise BadBenchmark(f"{printable(folder)}: no pictures" + (", and no folders `lr` and `hr` with some" * pairs))
    return found


def check_folder(folder: Path) -> None:
    """Raises BadBenchmark."""
    if not folder.is_dir():
        raise BadBenchmark(f"{printable(folder)}: no such folder")


def files_by_name(folder: Path, ending: re.Pattern[str] | None = None) -> dict[str, Path]:
    """Pictures of a folder by name, without `ending`. Raises BadBenchmark if two have one name."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        name = ending.sub("", path.stem) if ending else path.stem
        if name in found:
            raise BadBenchmark(f"{printable(path)}: has the same name as {printable(found[name].name)}")
        found[name] = path
    return found


def _layout(folder: Path) -> tuple[Path, Path] | None:
    found = ((folder / low, folder / high) for low, high in _LAYOUTS)
    return next((pair for pair in found if all(part.is_dir() for part in pair)), None)


def _pairs(low: Path, high: Path) -> list[PictureFiles]:
    lrs, gts = files_by_name(low, _ENDING), files_by_name(high, _ENDING)
    if alone := set(lrs) ^ set(gts):
        name = min(alone)
        present, absent = (low, high) if name in lrs else (high, low)
        raise BadBenchmark(f"{printable(present)}: {printable(name)} has no partner in {printable(absent)}")
    return [PictureFiles(name, lr, gts[name]) for name, lr in lrs.items()]
