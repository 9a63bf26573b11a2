"""Any size through a model of one size: overlapping tiles, blended with smooth weights that sum to one everywhere.

Every tile handed to the model is exactly `tile` output pixels square. An image smaller than a tile is extended by
reflection and the result cut back. Along each axis the weights of the tiles are normalised, so their products sum to
one and the identity comes out unchanged. Rows of tiles are blended one after the other and finished rows handed on, so
that only the rows of one tile are held, as floats.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Model = Callable[[Pixels, int, int], Pixels]
"""A tile uint8 [tile / scale, tile / scale, 3] and its first row and column in the LR -> uint8 [tile, tile, 3]."""

LR_ROWS = 64
"""Rows of an LR that a step over the whole picture takes at a time: bounds memory, changes nothing else."""
GRID = 16
"""Output pixels on whose multiples tiles start: the latent tokens of every generator here cover 8 or 16."""


@dataclass(frozen=True)
class Tiles:
    """Size and places of tiles. Raises ValueError for sizes that do not fit."""

    scale: int
    tile: int
    """Output pixels a side, a multiple of `scale`."""
    overlap: int
    """Output pixels that neighbours share at least, a multiple of `scale`."""
    step: int = 1
    """LR pixels on whose multiples tiles start."""

    def __post_init__(self) -> None:
        if self.tile % self.scale or self.overlap % self.scale or not 0 <= self.overlap < self.tile:
            raise ValueError(
                f"tile {self.tile} and overlap {self.overlap} must be multiples of {self.scale}, 0 <= overlap < tile"
            )

    @classmethod
    def on_grid(cls, scale: int, tile: int, overlap: int) -> "Tiles":
        """The largest tile of at most `tile` pixels for this scale, starting on `GRID`."""
        unit = math.lcm(scale, GRID)
        side = max(unit, tile // unit * unit)
        return cls(scale, side, min(overlap, side - 1) // scale * scale, unit // scale)

    @property
    def side(self) -> int:
        """LR pixels."""
        return self.tile // self.scale

    def padded(self, length: int) -> int:
        """LR pixels of an axis that whole tiles on their grid cover."""
        return self.side + -(-max(0, length - self.side) // self.step) * self.step

    def starts(self, length: int) -> list[int]:
        """Starts of the tiles that cover `padded(length)`, evenly spread."""
        units = (self.padded(length) - self.side) // self.step
        stride = max(1, (self.side - self.overlap // self.scale) // self.step)
        count = 1 + -(-units // stride)
        return [self.step * round(i * units / max(1, count - 1)) for i in range(count)]

    def count(self, height: int, width: int) -> int:
        """Tiles that an LR of height x width takes."""
        return len(self.starts(height)) * len(self.starts(width))


def tiled_rows(lr: Pixels, tiles: Tiles, model: Model) -> Iterator[Pixels]:
    """`lr` uint8 [h, w, 3] to bands of rows that make up uint8 [h * scale, w * scale, 3]."""
    (height, width), scale, side = lr.shape[:2], tiles.scale, tiles.side
    padding = [(0, tiles.padded(height) - height), (0, tiles.padded(width) - width), (0, 0)]
    padded = np.pad(lr, padding, mode="symmetric")
    rows, columns = axis_weights(tiles, height), axis_weights(tiles, width)
    open_rows = np.zeros((tiles.tile, padded.shape[1] * scale, 3), np.float32)
    """Blended so far, from the first row of the current tiles on."""
    ends = [*(start for start, _ in rows[1:]), height]
    for (top, down), end in zip(rows, ends, strict=True):
        for left, across in columns:
            piece = model(np.ascontiguousarray(padded[top : top + side, left : left + side]), top, left)
            place = slice(left * scale, left * scale + tiles.tile)
            open_rows[:, place] += down[:, None, None] * across[None, :, None] * piece
        done = max(0, min(end, height) - top) * scale
        yield np.rint(open_rows[:done, : width * scale]).clip(0, 255).astype(np.uint8)
        open_rows = np.concatenate([open_rows[done:], np.zeros_like(open_rows[:done])])


def axis_weights(tiles: Tiles, length: int) -> list[tuple[int, NDArray[np.float32]]]:
    """(start in LR pixels, weights float32 [tile]) of the tiles along one axis; the weights sum to one."""
    starts, size = tiles.starts(length), tiles.tile
    # sin^2 from border to centre: smooth, and positive at every pixel, so that the normalisation is safe.
    bump = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    total = np.zeros(tiles.padded(length) * tiles.scale)
    for start in starts:
        total[start * tiles.scale : start * tiles.scale + size] += bump
    return [
        (start, (bump / total[start * tiles.scale : start * tiles.scale + size]).astype(np.float32)) for start in starts
    ]
