"""Pairs of candidates of one LR: which comes first, and how often two orders agree.

The protocol is SRIQA-Bench's: all unordered pairs of a group, tie margin 0, so scores are never rounded. A pair is
right if both orders say the same, "equal" included; a pair that the reference does not know is no pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating]
Order = NDArray[np.float64]
"""[K, K]: 1 where the row's candidate is better, -1 where it is worse, 0 where they are equal, NaN where unknown."""


@dataclass(frozen=True)
class Tally:
    """Pairs of one group: how many the reference knows, and how many of those are right."""

    right: int
    pairs: int


def order_of(scores: Values) -> Order:
    """The order of [K] scores, higher is better; unknown for pairs with a NaN."""
    return np.sign(scores[:, None] - scores[None]).astype(np.float64)


def consensus(orders: Sequence[Order]) -> Order:
    """The order that all references share; unknown for a pair on which they differ."""
    first = orders[0]
    agreed = np.logical_and.reduce([order == first for order in orders])
    return np.where(agreed, first, np.nan)


def tally(scores: Values, reference: Order, chosen: NDArray[np.bool_] | None = None) -> Tally:
    """Number of pairs of `reference` [K, K] that the scores [K] order right; `chosen` [K, K] restricts the pairs."""
    counted = np.triu(~np.isnan(reference), 1)
    if chosen is not None:
        counted &= chosen
    return Tally(int((order_of(scores) == reference)[counted].sum()), int(counted.sum()))


def pair_accuracy(scores: Values, reference: Values) -> float:
    """Share of pairs of [K] candidates that `scores` orders as `reference` does; 0.5 if there is no pair."""
    counted = tally(scores, order_of(reference))
    return counted.right / counted.pairs if counted.pairs else 0.5
