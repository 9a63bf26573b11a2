"""Draws one enlargement of any size and scale, its rows on disk: as many passes of the model as the scale takes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oars.generator.upscaler import Upscaler
from oars.imaging.colour import ColourFix, corrected_rows
from oars.imaging.row_file import RowFile
from oars.seeds import derive_seed

Pixels = NDArray[np.uint8]


class Enlarger:
    """An upscaler with a colour correction. Deterministic given the seed."""

    def __init__(self, upscaler: Upscaler, colour: ColourFix) -> None:
        self._upscaler, self._colour = upscaler, colour

    def draw(self, lr: Pixels, passes: tuple[int, ...], seed: int, folder: Path, tile: Callable[[], None]) -> RowFile:
        """`lr` uint8 [h, w, 3] enlarged by the product of `passes`; the caller closes it. `tile` hears of each tile.

        Files of rows lie in `folder`."""
        for number, factor in enumerate(passes):
            rows = self._pass(lr, factor, derive_seed(seed, "pass", number), folder, tile)
            if number == len(passes) - 1:
                return rows
            with rows:
                lr = rows[:]
        raise ValueError("an enlargement takes at least one pass")

    def _pass(self, lr: Pixels, factor: int, seed: int, folder: Path, tile: Callable[[], None]) -> RowFile:
        width = lr.shape[1] * factor
        with RowFile(folder, width) as drawn:
            drawn.fill(self._upscaler.rows(lr, factor, seed, tile))
            return RowFile(folder, width).fill(corrected_rows(drawn, lr, self._colour))
