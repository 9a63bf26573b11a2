"""Pictures of benchmark folders as LR-GT pairs: as the folder has them, or with inputs that the Real-ESRGAN degradation
makes from its ground truths. With a limit the seed draws the pictures, and a larger limit keeps those of a smaller one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from oars.config.degradation import DegradationConfig
from oars.evaluation.benchmark_files import BadBenchmark, PictureFiles, picture_files
from oars.imaging.crops import Pair
from oars.imaging.degradation import degrade
from oars.imaging.image_io import Pixels, read_image
from oars.names import printable
from oars.seeds import derive_seed


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
    found = picture_files(folder, pairs=degradation is None)
    if degradation is not None:
        return [Picture(files.name, partial(_degraded, files, scale, degradation)) for files in found]
    return [Picture(files.name, partial(_as_it_is, files, scale)) for files in found]


def drawn(pictures: list[Picture], limit: int | None, seed: int) -> list[Picture]:
    """`limit` of them, in the order of their names; all of them for None."""
    if limit is None:
        return pictures
    chosen = sorted(pictures, key=lambda picture: derive_seed("benchmark", seed, picture.name))[:limit]
    return sorted(chosen, key=lambda picture: picture.name)


def _as_it_is(files: PictureFiles, scale: int) -> Pair:
    lr = read_image(files.path)
    if files.gt is None:
        return Pair(files.name, lr, None)
    gt = read_image(files.gt)
    if gt.shape[:2] != (lr.shape[0] * scale, lr.shape[1] * scale):
        sizes = f"{gt.shape[1]}x{gt.shape[0]} px, {scale} times {lr.shape[1]}x{lr.shape[0]} px expected"
        raise BadBenchmark(f"{printable(files.gt)}: {sizes}")
    return Pair(files.name, lr, gt)


def _degraded(files: PictureFiles, scale: int, degradation: Degradation) -> Pair:
    gt = _whole_multiples(read_image(files.path), scale)
    seed = derive_seed("benchmark", degradation.seed, files.name)
    return Pair(files.name, degrade(gt, degradation.config.at_strength(degradation.strength), seed, scale), gt)


def _whole_multiples(gt: Pixels, scale: int) -> Pixels:
    """Without the last rows and columns that make no LR pixel."""
    return gt[: gt.shape[0] // scale * scale, : gt.shape[1] // scale * scale]
