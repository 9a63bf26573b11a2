"""Seeded percentile bootstrap of a mean and of a paired difference: how sure a table's number is.

The unit of resampling is the value handed in (a crop). Crops of one photo resemble each other, so the interval speaks
about crops of these photos, not about photos at large.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

RESAMPLES = 10_000


class Interval(BaseModel):
    """A mean with the bounds of its bootstrap interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    low: float
    high: float
    count: int


def bootstrap_mean(values: Sequence[float], seed: int = 0, level: float = 0.95, resamples: int = RESAMPLES) -> Interval:
    """Mean of `values` with its percentile interval at `level`; the same seed gives the same bounds.

    Raises ValueError if there is no value or one is not finite.
    """
    array = np.asarray(values, np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"expected finite values, got {array.size} with {int((~np.isfinite(array)).sum())} non-finite")
    draws = np.random.default_rng(seed).integers(array.size, size=(resamples, array.size))
    low, high = np.quantile(array[draws].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean=float(array.mean()), low=float(low), high=float(high), count=array.size)


def paired_difference(after: Sequence[float], before: Sequence[float], seed: int = 0, level: float = 0.95) -> Interval:
    """Mean of `after - before`, item by item, with its interval; above 0 as a whole means an increase beyond chance.

    Raises ValueError if the lengths differ, or as `bootstrap_mean` does.
    """
    if len(after) != len(before):
        raise ValueError(f"{len(after)} and {len(before)} values cannot be paired")
    return bootstrap_mean(np.subtract(after, before).tolist(), seed, level)
