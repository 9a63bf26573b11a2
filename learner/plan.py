"""Plan of one optimiser step: points into micro-batches, micro-batches onto ranks. Pure.

Every rank gets the same number of micro-batches, because a forward pass of a partitioned model (ZeRO-3) is a collective
of all ranks; a rank that would have fewer repeats one with `counted` false, which then weighs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

T = TypeVar("T")
Optimality = tuple[float | None, ...]
"""[K] in [0, 1]; None for a candidate without a score, which is not trained on."""


class NothingToTrain(ValueError):
    """A batch without a single scored candidate."""


@dataclass(frozen=True)
class MicroBatch:
    """Training points of one group that share a forward pass."""

    group: int
    points: tuple[tuple[int, int], ...]
    """(candidate k, point j)."""


@dataclass(frozen=True)
class Dealt(Generic[T]):
    """A rank's share: the work, and whether its loss counts."""

    work: T
    counted: bool


def chunked(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Runs of `size` items in order; the last may be shorter."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def micro_batches(optimality: Sequence[Optimality], points: int, size: int) -> list[MicroBatch]:
    """All points of all scored candidates, `size` at a time.

    Raises NothingToTrain.
    """
    batches = []
    for group, values in enumerate(optimality):
        own = [(k, j) for k, value in enumerate(values) if value is not None for j in range(points)]
        batches += [MicroBatch(group, tuple(chunk)) for chunk in chunked(own, size)]
    if not batches:
        raise NothingToTrain(f"none of the candidates of {len(optimality)} groups has a score")
    return batches


def deal(work: Sequence[T], ranks: int) -> list[list[Dealt[T]]]:
    """Contiguous runs, one a rank, as even as can be, so that none is idle while there is work for all; a shorter run
    repeats its last work, uncounted. `work` is not empty."""
    share, ends = -(-len(work) // ranks), [rank * len(work) // ranks for rank in range(ranks + 1)]
    return [
        [Dealt(work[min(at, max(end - 1, 0))], at < end) for at in range(start, start + share)]
        for start, end in pairwise(ends)
    ]
