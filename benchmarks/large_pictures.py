"""`python -m benchmarks.large_pictures`: what `oars upscale` does to large pictures: seams, colours and memory.

A part of a photo is enlarged to 2000 x 1500 by the shipped generator. Seams: the mean difference of neighbouring pixels
across the borders of tiles, divided by that at other places of the same grid; the bicubic enlargement, which has no
tiles, is the control. Lattice: the pattern that repeats with the tiles' stride in what the generator added to bicubic;
two shorter periods are the control. Then one is enlarged to 64 megapixels, with bicubic tiles in the network's place,
which would take hours: that measures everything around it. Each enlargement runs in a process of its own, whose peak of
resident memory is taken. The pictures stay in build/large_pictures.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.result import Result, write_result
from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from oars.generator.enlarging import Enlarger
from oars.generator.pre_restoration import resize
from oars.generator.upscaler import Upscaler
from oars.imaging.image_io import Pixels, read_image
from oars.imaging.tiling import GRID, Tiles, tiled_rows
from oars.metrics.lattice import lattice_power
from services.results.enlargement_tasks import Task
from services.results.enlargements import Enlargements, Settings

SCALE = 4
FOLDER = Path("build/large_pictures")
LR = (375, 500)
"""Height and width of the part of the photo: 2000 x 1500 after it."""
LARGE_LR = (1733, 2312)
"""Enlarged to 64.1 megapixels."""


class BicubicTiles(Upscaler):
    """Tiles, blending and rows of the real one; the network is bicubic."""

    def __init__(self, config: RunConfig) -> None:
        self._tile, self._overlap = config.sampler.tile, config.sampler.overlap

    def rows(self, lr: Pixels, scale: int, seed: int, progress: Callable[[], None]) -> Iterator[Pixels]:
        tiles = Tiles.on_grid(scale, self._tile, self._overlap)
        return tiled_rows(lr, tiles, lambda piece, top, left: resize(piece, tiles.tile, tiles.tile))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photo", type=Path, help="a photo of at least 500 x 375 px. Default: scikit-image's astronaut"
    )
    parser.add_argument("--stand-in", nargs=2, type=Path, metavar=("LR", "SR"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stand_in:
        enlarge_with_bicubic_tiles(*given.stand_in)
        return
    photo = read_image(given.photo or _astronaut())
    FOLDER.mkdir(parents=True, exist_ok=True)
    details = {"2000 x 1500": _by_the_generator(photo), "64 MP": _by_bicubic(photo)}
    seams = details["2000 x 1500"]
    outcome = Result(
        name="large_pictures",
        value=seams["across borders / inside"],
        unit="ratio of mean differences",
        baseline=seams["across borders / inside, bicubic"],
        details=details,
    )
    print(write_result(outcome), outcome.model_dump_json(indent=1), sep="\n")


def _by_the_generator(photo: Pixels) -> dict[str, float]:
    top, left = ((have - want) // 2 for have, want in zip(photo.shape, LR, strict=False))
    lr = photo[top : top + LR[0], left : left + LR[1]]
    sr, cost = _enlarged("generator", lr, ["services.cli.main", "upscale"], ["-o"])
    bicubic = resize(lr, *sr.shape[:2])
    sampler = load_profile(deploy_path()).sampler
    tiles = Tiles.on_grid(SCALE, sampler.tile, sampler.overlap)
    added = (sr.astype(np.int16) - bicubic + 128).clip(0, 255).astype(np.uint8)
    return cost | {
        "across borders / inside": seam_ratio(sr, tiles),
        "across borders / inside, bicubic": seam_ratio(bicubic, tiles),
        "lattice at the stride": stride_lattice(added, tiles, 0),
        "lattice at shorter periods": (stride_lattice(added, tiles, 8) + stride_lattice(added, tiles, 16)) / 2,
        "greatest difference of mean colour to bicubic, levels": float(
            np.abs(sr.mean((0, 1)) - bicubic.mean((0, 1))).max()
        ),
    }


def _by_bicubic(photo: Pixels) -> dict[str, float]:
    sr, cost = _enlarged("bicubic", resize(photo, *LARGE_LR), ["benchmarks.large_pictures", "--stand-in"], [])
    return cost | {"megapixels": sr.shape[0] * sr.shape[1] / 1e6}


def _enlarged(name: str, lr: Pixels, command: list[str], out: list[str]) -> tuple[Pixels, dict[str, float]]:
    """The picture that the command writes, and what the command cost."""
    source, target = FOLDER / f"{name}_lr.png", FOLDER / f"{name}_sr.png"
    Image.fromarray(lr).save(source)
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", *command, str(source), *out, str(target)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: exit status {status}")
    seconds = time.monotonic() - started
    return read_image(target), {"seconds": seconds, "peak of memory, GiB": usage.ru_maxrss / 2**20}


def enlarge_with_bicubic_tiles(source: Path, target: Path) -> None:
    config = load_profile(deploy_path())
    settings = Settings(
        generator="bicubic",
        weights_digest="",
        scale=SCALE,
        model_scale=SCALE,
        sampler=config.sampler,
        colour="low_pass",
        seed=0,
        candidates=1,
        judge=None,
    )
    made = Enlargements(Enlarger(BicubicTiles(config), "low_pass"), None, settings)
    made.write(Task(source, target), lambda: None)


def seam_ratio(sr: Pixels, tiles: Tiles) -> float:
    """Mean absolute difference of neighbours across tile borders, divided by the mean at the grid's other places.

    Tiles start on multiples of `GRID`. Between those, neighbours of an enlargement differ more or less by their place.
    """
    across, inside = [], []
    for axis in (0, 1):
        steps = np.abs(np.diff(sr.astype(np.int16), axis=axis)).mean((1 - axis, 2))
        grid = np.arange(GRID, sr.shape[axis], GRID)
        borders = _borders(tiles, sr.shape[axis])
        across.append(steps[borders - 1])
        inside.append(steps[np.setdiff1d(grid, borders) - 1])
    return float(np.concatenate(across).mean() / np.concatenate(inside).mean())


def _borders(tiles: Tiles, length: int) -> NDArray[np.int64]:
    """First pixels and first pixels beyond of tiles, inside the picture."""
    starts = np.array(tiles.starts(length // tiles.scale)) * tiles.scale
    borders = np.unique(np.concatenate([starts, starts + tiles.tile]))
    return borders[(borders > 0) & (borders < length)]


def stride_lattice(sr: Pixels, tiles: Tiles, shorter: int) -> float:
    """`lattice_power` at the tiles' stride, or at a period so much `shorter`, in squared levels; about 0 without one.

    Tiles are spread evenly on a grid, so the stride slips here and there: pieces without a slip share their phase.
    """
    down, across = (_runs(tiles, length) for length in sr.shape[:2])
    stride = down[0].step
    pieces = [
        sr[rows.start : rows.stop, columns.start : columns.stop]
        for rows in down
        for columns in across
        if rows.step == columns.step == stride
    ]
    period = stride - shorter
    return lattice_power([piece for piece in pieces if min(piece.shape[:2]) >= 2 * period], period)


def _runs(tiles: Tiles, length: int) -> list[slice]:
    """Parts of an axis in which tiles start at one stride, which is the slice's step; the longest first."""
    starts = [start * tiles.scale for start in tiles.starts(length // tiles.scale)]
    runs = []
    for stride, group in groupby(pairwise(starts), key=lambda pair: pair[1] - pair[0]):
        pairs = list(group)
        runs.append(slice(pairs[0][0], pairs[-1][1], stride))
    return sorted(runs, key=lambda run: run.start - run.stop)


def _astronaut() -> Path:
    import skimage.data

    return Path(skimage.data.__file__).parent / "astronaut.png"


if __name__ == "__main__":
    main()
