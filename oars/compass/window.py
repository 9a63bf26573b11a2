"""The part of its pictures by which a group is rewarded: a random window, the same of all its candidates (ours).

Generator and judge both cut pictures into patches. While the two grids always lie alike, the judge's taste for light at
one place of its patches is the same in every output, and a policy learns it as a lattice. In windows at random places
the grids lie differently from group to group: what repeats with every patch gains nothing on average.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oars.seeds import derive_seed

Pixels = NDArray[np.uint8]


class Window(NamedTuple):
    """A rectangle in pixels of the output."""

    top: int
    left: int
    height: int
    width: int

    def of(self, pictures: Pixels) -> Pixels:
        """[..., H, W, 3] -> [..., height, width, 3]"""
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        return np.ascontiguousarray(pictures[..., rows, columns, :])


def draw_window(height: int, width: int, shift: int, name: str) -> Window:
    """Smaller than [height, width] by `shift` in both, at a place that `name` alone decides."""
    top, left = (int(place) for place in np.random.default_rng(derive_seed("window", name)).integers(shift + 1, size=2))
    return Window(top, left, height - shift, width - shift)
