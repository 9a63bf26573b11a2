"""The cost of an enlargement, known before its first tile: passes of the model, pixels, tiles and memory.

The model enlarges by whole factors up to its own. A scale between them is drawn at the next one and reduced; a larger
scale is made by going over the picture again.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from oars.config.generator import SamplerConfig
from oars.imaging.encoding import MAX_SIDE, RESIDENT
from oars.imaging.image_io import MAX_PIXELS, BadImage
from oars.imaging.tiling import LR_ROWS, Tiles
from oars.memory import check_memory

# What the colour correction holds in floats for each pixel of the last pass's input.
_BYTES_OF_LR = 40
# Of the open rows of tiles, and of a band of the correction.
_BYTES_OF_ROWS = 32
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Enlargement:
    height: int
    width: int
    passes: tuple[int, ...]
    """Factor of each pass; their product is at least the scale."""
    tiles: int
    memory: int
    """Bytes beside the model, at most."""


def passes(scale: float, most: int) -> tuple[int, ...]:
    """The fewest whole factors, each at most `most`, that reach `scale`; the large ones first."""
    factors, left = [], scale
    while left > 1 + _ROUNDING:
        factors.append(min(most, math.ceil(left - _ROUNDING)))
        left /= factors[-1]
    return tuple(factors) or (1,)


def plan_enlargement(
    name: str, shape: tuple[int, ...], scale: float, most: int, sampler: SamplerConfig, target: Path
) -> Enlargement:
    """Plan the enlargement of a picture [h, w, 3] to `target`. Raises BadImage if the result is larger than a picture
    or its format may be, NotEnoughMemory."""
    height, width = (max(1, round(side * scale)) for side in shape[:2])
    factors = passes(scale, most)
    _check_size(name, height, width, math.prod(factors) / scale, target)
    rows, columns, tiles = shape[0], shape[1], 0
    for factor in factors:
        lr = rows * columns
        tiles += Tiles.on_grid(factor, sampler.tile, sampler.overlap).count(rows, columns)
        rows, columns = rows * factor, columns * factor
    band = max(sampler.tile, factors[-1] * LR_ROWS) * max(columns, sampler.tile) * _BYTES_OF_ROWS
    memory = lr * _BYTES_OF_LR + band + height * width * RESIDENT[target.suffix.lower()]
    check_memory(f"{name}: enlarging it to {width}x{height} px", memory)
    return Enlargement(height, width, factors, tiles, memory)


def _check_size(name: str, height: int, width: int, surplus: float, target: Path) -> None:
    if height * width * surplus**2 > MAX_PIXELS:
        raise BadImage(f"{name}: enlarged to {width}x{height} px it would have more than {MAX_PIXELS} pixels")
    most = MAX_SIDE.get(target.suffix.lower(), max(height, width))
    if max(height, width) > most:
        raise BadImage(f"{name}: enlarged to {width}x{height} px; {target.suffix} takes at most {most} px a side")
