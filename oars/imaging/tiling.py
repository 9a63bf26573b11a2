"""Any size through a model of one size: overlapping tiles, blended with smooth weights that sum to one everywhere.

Every tile handed to the model is exactly `tile` output pixels square. An image smaller than a tile is extended by
reflection and the result cut back. Along each axis the weights of the tiles are normalised, so their products sum to
one and the identity comes out unchanged. Rows of tiles are blended one after the other, and finished rows rounded, so
that beside the result only the rows of one tile are held as floats.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

LR_ROWS = 64
"""Rows of an LR that a step over the whole picture takes at a time: bounds memory, changes nothing else."""


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Starts of tiles that cover `length` >= `tile`, neighbours sharing at least `overlap`, evenly spread."""
    count = 1 + -(-(length - tile) // (tile - overlap))
    return [round(i * (length - tile) / max(1, count - 1)) for i in range(count)]


def tile_count(height: int, width: int, tile: int, overlap: int) -> int:
    """Tiles that an image of height x width takes, all in the same pixels."""
    rows, columns = (len(tile_starts(max(side, tile), tile, overlap)) for side in (height, width))
    return rows * columns


def upscale_tiled(lr: Pixels, scale: int, tile: int, overlap: int, upscale: Callable[[Pixels], Pixels]) -> Pixels:
    """`lr` uint8 [h, w, 3] to uint8 [h * scale, w * scale, 3] by tiles.

    `tile` and `overlap` are in output pixels, multiples of `scale`, `overlap` < `tile`; `upscale` takes a tile
    uint8 [tile / scale, tile / scale, 3] to uint8 [tile, tile, 3]. Raises ValueError for sizes that do not fit.
    """
    if tile % scale or overlap % scale or not 0 <= overlap < tile:
        raise ValueError(f"tile {tile} and overlap {overlap} must be multiples of {scale}, 0 <= overlap < tile")
    side = tile // scale
    height, width = lr.shape[:2]
    padding = [(0, max(0, side - height)), (0, max(0, side - width)), (0, 0)]
    padded = np.pad(lr, padding, mode="symmetric")
    rows = axis_weights(padded.shape[0], side, overlap // scale, scale)
    columns = axis_weights(padded.shape[1], side, overlap // scale, scale)
    result = np.empty((padded.shape[0] * scale, padded.shape[1] * scale, 3), np.uint8)
    open_rows = np.zeros((tile, result.shape[1], 3), np.float32)
    """Blended so far, from the first row of the current tiles on."""
    ends = [*(start for start, _ in rows[1:]), padded.shape[0]]
    for (top, down), end in zip(rows, ends, strict=True):
        for left, across in columns:
            piece = upscale(np.ascontiguousarray(padded[top : top + side, left : left + side]))
            open_rows[:, left * scale : left * scale + tile] += down[:, None, None] * across[None, :, None] * piece
        done = (end - top) * scale
        result[top * scale : top * scale + done] = np.rint(open_rows[:done]).clip(0, 255)
        open_rows = np.concatenate([open_rows[done:], np.zeros_like(open_rows[:done])])
    return result[: height * scale, : width * scale]


def axis_weights(length: int, side: int, overlap: int, scale: int) -> list[tuple[int, NDArray[np.float32]]]:
    """(start in LR pixels, weights float32 [side * scale]) of the tiles along one axis; the weights sum to one."""
    starts = tile_starts(length, side, overlap)
    # sin^2 from border to centre: smooth, and positive at every pixel, so that the normalisation is safe.
    bump = np.sin(np.pi * (np.arange(side * scale) + 0.5) / (side * scale)) ** 2
    total = np.zeros(length * scale)
    for start in starts:
        total[start * scale : start * scale + bump.size] += bump
    return [(start, (bump / total[start * scale : start * scale + bump.size]).astype(np.float32)) for start in starts]
