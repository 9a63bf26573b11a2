"""The initial noise of a picture of any size, one row of latent tokens at a time.

Every tile takes its window, so no two tiles have the same noise, whose repetition would show as a lattice, and where
two overlap they start from the same noise, so that what is blended agrees.
"""

from functools import lru_cache

import torch
from torch import Tensor

from oars.seeds import seeded_noise

_KEPT = 256
"""Rows of tokens; those of one row of tiles are drawn once."""


class NoiseField:
    """Standard normal, the same for the same seed and number of columns."""

    def __init__(self, seed: int, columns: int, channels: int) -> None:
        def row(number: int) -> Tensor:
            return seeded_noise((columns, channels), seed, "row", number)

        self._row = lru_cache(_KEPT)(row)

    def window(self, top: int, left: int, rows: int, columns: int) -> Tensor:
        """float32 [rows * columns, C], row by row; sizes in tokens."""
        return torch.cat([self._row(number)[left : left + columns] for number in range(top, top + rows)])
