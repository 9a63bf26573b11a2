"""Benchmark folders as LR-GT pairs, in the layouts that published sets have.

    lr/ and hr/            pairs (RealSR, DRealSR, DIV2K crops); also `LR`/`HR`, `test_LR`/`test_HR`, `lr`/`gt`
    pictures               inputs as they are, without ground truth (RealSet80)
    pictures, degraded     ground truths, from which the Real-ESRGAN degradation makes the inputs (Set14, own photos)

A picture's name is its file's without ending; in pairs also without a final `_LR4`, `_HR`, `x4`. With a limit the seed
draws the pictures, and a larger limit keeps those of a smaller one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oars.config.degradation import DegradationConfig
from oars.errors import UserError
from oars.imaging.crops import Pair
from oars.imaging.degradation import degrade
from oars.imaging.folder import SUFFIXES
from oars.imaging.image_io import Pixels, read_image
from oars.names import printable
from oars.seeds import derive_seed

_LAYOUTS = (("lr", "hr"), ("LR", "HR"), ("test_LR", "test_HR"), ("lr", "gt"), ("LR", "GT"))
_ENDING = re.compile(r"(_LR\d?|_HR|_?x\d)$")


class BadBenchmark(UserError, ValueError):
    """A folder that is no benchmark; the message is one line naming the folder or the file."""


@dataclass(frozen=True)
class Picture:
    """One input; `load` reads or degrades it. Raises BadImage, BadBenchmark."""

    name: str
    load: Callable[[], Pair]


@dataclass(frozen=True)
class Degradation:
    """How photos become inputs; everything follows from the seed and a picture's name."""

    config: DegradationConfig
    strength: float
    """1 is the published degradation, 0 only reduces the size."""
    seed: int


def pictures_of(folder: Path, scale: int, degradation: Degradation | None = None) -> list[Picture]:
    """All pictures of a benchmark, by name. `degradation` takes the folder's pictures as ground truths.

    Raises BadBenchmark.
    """
    if not folder.is_dir():
        raise BadBenchmark(f"{printable(folder)}: no such folder")
    if degradation is not None:
        found = [
            Picture(name, _degraded(path, name, scale, degradation)) for name, path in files_by_name(folder).items()
        ]
    elif (layout := _layout(folder)) is not None:
        found = _pairs(*layout, scale)
    else:
        found = [Picture(name, _alone(path, name)) for name, path in files_by_name(folder).items()]
    if not found:
        raise BadBenchmark(f"{printable(folder)}: no pictures, and no folders `lr` and `hr` with some")
    return found


def drawn(pictures: list[Picture], limit: int | None, seed: int) -> list[Picture]:
    """`limit` of them, in the order of their names; all of them for None."""
    if limit is None:
        return pictures
    chosen = sorted(pictures, key=lambda picture: derive_seed("benchmark", seed, picture.name))[:limit]
    return sorted(chosen, key=lambda picture: picture.name)


def _layout(folder: Path) -> tuple[Path, Path] | None:
    found = ((folder / low, folder / high) for low, high in _LAYOUTS)
    return next((pair for pair in found if all(part.is_dir() for part in pair)), None)


def _pairs(low: Path, high: Path, scale: int) -> list[Picture]:
    lrs, gts = files_by_name(low, _ENDING), files_by_name(high, _ENDING)
    if alone := set(lrs) ^ set(gts):
        name = min(alone)
        present, absent = (low, high) if name in lrs else (high, low)
        raise BadBenchmark(f"{printable(present)}: {printable(name)} has no partner in {printable(absent)}")
    return [Picture(name, _pair(lr, gts[name], name, scale)) for name, lr in lrs.items()]


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


def _pair(low: Path, high: Path, name: str, scale: int) -> Callable[[], Pair]:
    def load() -> Pair:
        lr, gt = read_image(low), read_image(high)
        if gt.shape[:2] != (lr.shape[0] * scale, lr.shape[1] * scale):
            sizes = f"{gt.shape[1]}x{gt.shape[0]} px, {scale} times {lr.shape[1]}x{lr.shape[0]} px expected"
            raise BadBenchmark(f"{printable(high)}: {sizes}")
        return Pair(name, lr, gt)

    return load


def _alone(path: Path, name: str) -> Callable[[], Pair]:
    return lambda: Pair(name, read_image(path), None)


def _degraded(path: Path, name: str, scale: int, degradation: Degradation) -> Callable[[], Pair]:
    def load() -> Pair:
        gt = _whole_multiples(read_image(path), scale)
        seed = derive_seed("benchmark", degradation.seed, name)
        return Pair(name, degrade(gt, degradation.config.at_strength(degradation.strength), seed, scale), gt)

    return load


def _whole_multiples(gt: Pixels, scale: int) -> Pixels:
    """Without the last rows and columns that make no LR pixel."""
    return gt[: gt.shape[0] // scale * scale, : gt.shape[1] // scale * scale]
