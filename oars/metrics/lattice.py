"""Faults that networks weave and photos lack: a lattice that repeats every p pixels, and coloured speckle.

A lattice is what blocks of one picture, or of many, have in common at the same phase. Of each block the high-pass is
averaged over its periods, which gives a pattern of p x p; the power of the lattice is the mean covariance of the
patterns of two different blocks (over all pairs: the mean of every split in halves), a busy block with less weight than
a quiet one. What a block does not share with others cancels, so photos read about 0 and the power can be slightly
negative. Pictures in one call must have a common origin, as the outputs of one network do. A lattice of period p is one
of 2p, 3p, ... too. Ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

PERIODS = tuple(range(2, 33))
"""Pixels. A patch grid, an upsampling or a latent cell of the models in use is within these."""
_BLOCK = 64
"""Least side of a block, pixels: twice the longest period, so that each phase is averaged over four places or more."""
_QUIET = 64.0
"""Squared grey levels added to a block's own variance in its weight, so that flat blocks do not decide alone. The
weights halve what a single photo reads at periods above 16, where each block has few periods to average."""
_SPECKLE_WINDOW = 5
"""Pixels: speckle is what differs from the mean colour of this square. Generators here err at single latent cells'
pixels; true colour edges are wider (camera chroma is sampled at half the resolution)."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CHROMA = np.array([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)


class Lattice(NamedTuple):
    """The lattice that stands out."""

    period: int
    """Pixels."""
    amplitude: float
    """Grey levels, rms."""


class Blocks(NamedTuple):
    """What of a picture its lattice is found by."""

    patterns: Floats
    """[blocks, period, period]"""
    weights: NDArray[np.float64]
    """[blocks]"""


def lattice_power(pictures: Sequence[Pixels], period: int) -> float:
    """Power of the lattice that these pictures have in common, in squared grey levels (its rms, squared).

    Pictures are uint8 [H, W, 3], of any sizes of at least 2 * `period` a side; below 128 px they are one block. About
    0, or slightly less, without a lattice. Raises ValueError for fewer than two blocks or a picture that is too small.
    """
    return power_of([lattice_blocks(picture, period) for picture in pictures])


def power_of(blocks: Sequence[Blocks]) -> float:
    """`lattice_power` of pictures whose blocks were taken before. Raises ValueError for fewer than two blocks."""
    weights = np.concatenate([one.weights for one in blocks])
    if len(weights) < 2:
        raise ValueError(f"a lattice shows between two blocks of {_BLOCK} px or more; the pictures hold {len(weights)}")
    weighted = weights[:, None, None] * np.concatenate([one.patterns for one in blocks])
    of_pairs = np.square(weighted.sum(0)).mean() - np.square(weighted).mean((1, 2)).sum()
    return float(of_pairs / (weights.sum() ** 2 - np.square(weights).sum()))


def lattice_blocks(picture: Pixels, period: int) -> Blocks:
    """The blocks of one picture, as `lattice_power` takes it. Raises ValueError for a picture that is too small."""
    found = list(_blocks(picture, period))
    patterns, busyness = (np.array(part) for part in zip(*found, strict=True))
    return Blocks(patterns, 1 / (_QUIET + busyness))


def lattice_amplitude(pictures: Sequence[Pixels], period: int) -> float:
    """Rms of the common lattice in grey levels: the root of `lattice_power`, 0 where that is negative."""
    return float(np.sqrt(max(0.0, lattice_power(pictures, period))))


def strongest_lattice(pictures: Sequence[Pixels], periods: Sequence[int] = PERIODS) -> Lattice:
    """At its own period, not at a multiple that repeats it."""
    powers = {period: lattice_power(pictures, period) for period in periods}
    period = own_period(powers)
    return Lattice(period, float(np.sqrt(max(0.0, powers[period]))))


def own_period(powers: Mapping[int, float]) -> int:
    """The period of the lattice behind these powers: the shortest that has nine tenths of the strongest."""
    most = max(0.0, *powers.values())
    return min(period for period, power in powers.items() if power >= 0.9 * most)


def colour_speckle(picture: Pixels) -> float:
    """Rms of the fine chroma (Cb and Cr of BT.601 minus their mean over 5 x 5 pixels) of uint8 [H, W, 3], in levels.

    Photos have some: compare with the ground truth or with the base model.
    """
    chroma = picture.astype(np.float32) @ _CHROMA.T
    return float(np.sqrt(np.square(chroma - uniform_filter(chroma, (_SPECKLE_WINDOW, _SPECKLE_WINDOW, 0))).mean()))


def _blocks(picture: Pixels, period: int) -> Iterator[tuple[Floats, float]]:
    """Of each whole block: its pattern [period, period] with a mean of 0, and the variance that the pattern leaves.

    The high-pass subtracts the mean over one period's square, which a lattice of that period leaves as it is.
    """
    height, width = picture.shape[:2]
    if min(height, width) < 2 * period:
        raise ValueError(f"{width}x{height} px: a lattice of period {period} needs {2 * period} px a side")
    grey = picture.astype(np.float32) @ _LUMA
    fine = grey - uniform_filter(grey, period)
    tall, wide = (side // max(1, side // _BLOCK) for side in (height, width))
    for top in range(0, height - tall + 1, tall):
        for left in range(0, width - wide + 1, wide):
            yield _pattern(fine[top : top + tall, left : left + wide], top, left, period)


def _pattern(block: Floats, top: int, left: int, period: int) -> tuple[Floats, float]:
    """Mean over the block's whole periods, turned to the picture's own phase."""
    rows, columns = (side // period for side in block.shape)
    whole = block[: rows * period, : columns * period].reshape(rows, period, columns, period)
    mean = whole.mean((0, 2))
    turned = np.roll(mean, (top % period, left % period), (0, 1))
    return turned - turned.mean(), float(np.square(whole - mean[None, :, None]).mean())
