"""What can be measured of one output: the panel with metrics by name; and all: with speckle, ripples, and DISTS where
its weights are here."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oars.metrics.by_name import lower_is_better, measured_by_name
from oars.metrics.dists import dists_available, dists_batch
from oars.metrics.lattice import colour_speckle
from oars.metrics.no_reference import MIN_SIDE
from oars.metrics.panel import full_reference, no_reference
from oars.metrics.ripples import added_ripples

Pixels = NDArray[np.uint8]


def panel(sr: Pixels, gt: Pixels | None, names: Sequence[str]) -> dict[str, float]:
    """Metric -> value of `sr` uint8 [H, W, 3]; without `gt` the no-reference ones alone. Raises NoMetric.

    A metric that has no finite value, or is not defined for so small a picture, is left out.
    """
    values = {} if gt is None else full_reference(sr, gt)
    if min(sr.shape[:2]) >= MIN_SIDE:
        values |= no_reference(sr)
    return _finite(values | measured_by_name(names, sr, gt))


def measured(sr: Pixels, gt: Pixels | None, names: Sequence[str]) -> dict[str, float]:
    """`panel`, and what is not in it."""
    beside = {} if gt is None else {"added_ripples": added_ripples(sr, gt)}
    if gt is not None and dists_available():
        beside["dists"] = float(dists_batch(sr[None], gt[None])[0])
    return panel(sr, gt, names) | _finite(beside | {"speckle": colour_speckle(sr)})


def lower_is_better_of(names: Sequence[str]) -> tuple[str, ...]:
    """Of all that `measured` may give. Raises NoMetric."""
    return (*lower_is_better(names), "dists", "speckle")


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
