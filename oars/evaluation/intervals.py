"""Seeded percentile bootstrap of a mean, a share, a statistic, and of paired differences: how sure a number is.

The unit of resampling is what is handed in. With a crop as the unit, crops of one photo resemble each other, so the
interval speaks about crops of these photos; with a photo as the unit it is wider, and speaks about photos at large.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict
from scipy.stats import DegenerateDataWarning, bootstrap

RESAMPLES = 10_000

Values = NDArray[np.float64]


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
    return _interval([array], lambda drawn: drawn.mean(-1), array.size, seed, level, resamples)


def paired_difference(after: Sequence[float], before: Sequence[float], seed: int = 0, level: float = 0.95) -> Interval:
    """Mean of `after - before`, item by item, with its interval; above 0 as a whole means an increase beyond chance.

    Raises ValueError if the lengths differ, or as `bootstrap_mean` does.
    """
    if len(after) != len(before):
        raise ValueError(f"{len(after)} and {len(before)} values cannot be paired")
    return bootstrap_mean(np.subtract(after, before).tolist(), seed, level)


def share(right: Sequence[float], total: Sequence[float], seed: int = 0, level: float = 0.95) -> Interval:
    """Sum of `right` over sum of `total`, whose i-th entries belong to unit i; `count` is the sum of `total`.

    Raises ValueError if the lengths differ or there is nothing to share.
    """
    return _interval(_shares(right, total), _ratio, int(np.sum(total)), seed, level)


def share_difference(
    after: Sequence[float], before: Sequence[float], total: Sequence[float], seed: int = 0, level: float = 0.95
) -> Interval:
    """`share(after) - share(before)` of the same units, resampled together."""
    units = [*_shares(after, total), np.asarray(before, np.float64)]
    return _interval(units, lambda a, t, b: _ratio(a, t) - _ratio(b, t), int(np.sum(total)), seed, level)


def of_statistic(
    units: Sequence[Sequence[int]],
    statistic: Callable[[NDArray[np.int64]], float],
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 1000,
) -> Interval:
    """A statistic of rows, such as a correlation; `units` are the rows of each unit of resampling."""
    rows = [np.asarray(unit, np.int64) for unit in units]

    def of_drawn(drawn: NDArray[np.int64]) -> ArrayLike:
        draws = drawn.reshape(-1, drawn.shape[-1])
        return np.reshape([statistic(np.concatenate([rows[i] for i in draw])) for draw in draws], drawn.shape[:-1])

    return _interval([np.arange(len(rows))], of_drawn, sum(map(len, rows)), seed, level, resamples)


def _interval(
    units: Sequence[NDArray],
    statistic: Callable[..., ArrayLike],
    count: int,
    seed: int,
    level: float,
    resamples: int = RESAMPLES,
) -> Interval:
    """`statistic` takes arrays like `units`, whose i-th entries belong to unit i, resampled along their last axis."""
    observed = float(np.asarray(statistic(*units)))
    if len(units[0]) == 1:
        return Interval(mean=observed, low=observed, high=observed, count=count)
    with warnings.catch_warnings():
        # A draw of units without a single pair is NaN and says nothing.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        drawn = bootstrap(
            units,
            lambda *resampled, axis: statistic(*resampled),
            paired=True,
            vectorized=True,
            n_resamples=resamples,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean=observed, low=float(low), high=float(high), count=count)


def _shares(right: Sequence[float], total: Sequence[float]) -> list[Values]:
    if len(right) != len(total) or np.sum(total) <= 0:
        raise ValueError(f"{len(right)} and {len(total)} entries with a sum of {np.sum(total)} give no share")
    return [np.asarray(right, np.float64), np.asarray(total, np.float64)]


def _ratio(right: Values, total: Values) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return right.sum(-1) / total.sum(-1)
