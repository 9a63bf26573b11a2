"""Seeded percentile bootstrap of a mean, a share, a statistic, and of paired differences: how sure a number is.

The unit of resampling is what is handed in. With a crop as the unit, crops of one photo resemble each other, so the
interval speaks about crops of these photos; with a photo as the unit it is wider, and speaks about photos at large.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

RESAMPLES = 10_000
CONCLUSIVE = 6
"""Below so many values nothing is beyond chance, however narrow the interval: where five agree, a two-sided sign test
has p = 2 / 2^5 = 0.06, and a bootstrap of them cannot see a sixth that does not."""


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


def mean_over_units(values: Sequence[float], units: Sequence[str], seed: int = 0, level: float = 0.95) -> Interval:
    """Mean of `values` whose i-th belongs to `units[i]`, with units resampled whole; `count` is that of the values.

    Raises ValueError if there is no value or the lengths differ.
    """
    names, place = np.unique(np.asarray(units), return_inverse=True)
    sums, counts = (np.bincount(place, weights, len(names)).tolist() for weights in (values, np.ones(len(values))))
    return share(sums, counts, seed, level)


def jackknife(value: float, left_out: Sequence[float], count: int) -> Interval:
    """95 % interval of a statistic from its values without one unit at a time (Tukey): value -+ 1.96 standard errors.
    Without two of them nothing is known: the bounds are the value."""
    units = len(left_out)
    error = 1.96 * float(np.std(left_out)) * np.sqrt(units - 1) if units > 1 else 0.0
    return Interval(mean=value, low=value - error, high=value + error, count=count)


def share(right: Sequence[float], total: Sequence[float], seed: int = 0, level: float = 0.95) -> Interval:
    """Sum of `right` over sum of `total`, whose i-th entries belong to unit i; `count` is the sum of `total`.

    Raises ValueError if the lengths differ or there is nothing to share.
    """
    ratios = _ratios(right, total, seed)
    return _percentiles(ratios, float(np.sum(right) / np.sum(total)), int(np.sum(total)), level)


def share_difference(
    after: Sequence[float], before: Sequence[float], total: Sequence[float], seed: int = 0, level: float = 0.95
) -> Interval:
    """`share(after) - share(before)` of the same units, resampled together."""
    difference = _ratios(after, total, seed) - _ratios(before, total, seed)
    mean = float((np.sum(after) - np.sum(before)) / np.sum(total))
    return _percentiles(difference, mean, int(np.sum(total)), level)


def of_statistic(
    units: Sequence[Sequence[int]],
    statistic: Callable[[NDArray[np.int64]], float],
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 1000,
) -> Interval:
    """A statistic of rows, such as a correlation; `units` are the rows of each unit of resampling."""
    rows = [np.asarray(unit, np.int64) for unit in units]
    rng = np.random.default_rng(seed)
    draws = [
        statistic(np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])) for _ in range(resamples)
    ]
    everything = np.concatenate(rows)
    return _percentiles(np.array(draws), statistic(everything), len(everything), level)


def _ratios(right: Sequence[float], total: Sequence[float], seed: int) -> NDArray[np.float64]:
    if len(right) != len(total) or np.sum(total) <= 0:
        raise ValueError(f"{len(right)} and {len(total)} entries with a sum of {np.sum(total)} give no share")
    draws = np.random.default_rng(seed).integers(len(total), size=(RESAMPLES, len(total)))
    # A draw of units without a single pair says nothing.
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(right, np.float64)[draws].sum(1) / np.asarray(total, np.float64)[draws].sum(1)


def _percentiles(draws: NDArray[np.float64], mean: float, count: int, level: float) -> Interval:
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean=mean, low=float(low), high=float(high), count=count)
