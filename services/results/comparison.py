"""What the held-out table says of models: means and paired differences, with intervals over photos.

Crops of one photo resemble each other, so the photo is the unit of resampling. The lattice is a figure of a model, not
of a crop: its interval is a jackknife, leaving out one photo at a time. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oars.evaluation.intervals import Interval, jackknife, mean_over_units
from oars.imaging.crops import Pair
from oars.metrics.lattice import PERIODS, Blocks, lattice_blocks, own_period, power_of
from oars.report.summary import HeldOut

Pixels = NDArray[np.uint8]
Statistic = Callable[[NDArray[np.bool_]], float]
"""Of the crops that are kept, one flag each."""


@dataclass(frozen=True)
class Evaluated:
    """One model on all crops, in the order of the pairs."""

    images: list[Pixels]
    metrics: list[dict[str, float]]
    """Metrics of each crop: the panel, and the reward with its readings of the output, where it was scored."""


def photos_of(pairs: Sequence[Pair]) -> list[str]:
    """Name of the photo behind each pair."""
    return [pair.image_id.rpartition("@")[0] for pair in pairs]


def summarised(evaluated: Evaluated, photos: Sequence[str], seed: int) -> HeldOut:
    intervals = {}
    for name in dict.fromkeys(name for crop in evaluated.metrics for name in crop):
        both = [(crop[name], photo) for crop, photo in zip(evaluated.metrics, photos, strict=True) if name in crop]
        intervals[name] = mean_over_units([x for x, _ in both], [photo for _, photo in both], seed)
    scored = sum("reward" in crop for crop in evaluated.metrics)
    return HeldOut(metrics=intervals, images=scored, failed=len(evaluated.metrics) - scored)


def difference(a: Evaluated, b: Evaluated, photos: Sequence[str], seed: int) -> dict[str, Interval]:
    """a - b, crop by crop, for the crops where both have the metric."""
    differences = {}
    for name in dict.fromkeys(name for crop in a.metrics for name in crop):
        rows = zip(a.metrics, b.metrics, photos, strict=True)
        both = [(x[name] - y[name], photo) for x, y, photo in rows if name in x and name in y]
        if both:
            differences[name] = mean_over_units([x for x, _ in both], [photo for _, photo in both], seed)
    return differences


class Lattices:
    """Power of each model's lattice, in squared grey levels, at the period where a model exceeds the truth most."""

    def __init__(self, images: Mapping[str, Sequence[Pixels]], truth: Sequence[Pixels], photos: Sequence[str]) -> None:
        """`images` by model; all as many as `photos`, of at least 64 px."""
        self._photos = photos
        self.period = own_period({period: _excess(images, truth, period) for period in PERIODS})
        self._blocks = {name: [lattice_blocks(one, self.period) for one in of] for name, of in images.items()}

    def power(self, model: str) -> Interval:
        return self._interval(lambda kept: power_of(self._of(model, kept)))

    def difference(self, a: str, b: str) -> Interval:
        return self._interval(lambda kept: power_of(self._of(a, kept)) - power_of(self._of(b, kept)))

    def _of(self, model: str, kept: NDArray[np.bool_]) -> list[Blocks]:
        return [blocks for blocks, keep in zip(self._blocks[model], kept, strict=True) if keep]

    def _interval(self, statistic: Statistic) -> Interval:
        photos = np.array(self._photos)
        left_out = [statistic(photos != photo) for photo in np.unique(photos) if (photos != photo).sum() > 1]
        return jackknife(statistic(np.full(len(photos), True)), left_out, len(photos))


def _excess(images: Mapping[str, Sequence[Pixels]], truth: Sequence[Pixels], period: int) -> float:
    of_truth = power_of([lattice_blocks(one, period) for one in truth])
    return max(power_of([lattice_blocks(one, period) for one in of]) for of in images.values()) - of_truth
