"""All that can be measured of one output: the panel, speckle, DISTS where its weights are here, metrics by name."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oars.metrics.by_name import lower_is_better, measured_by_name
from oars.metrics.dists import dists_available, dists_batch
from oars.metrics.lattice import colour_speckle
from oars.metrics.no_reference import MIN_SIDE
from oars.metrics.panel import full_reference, no_reference

Pixels = NDArray[np.uint8]


def measured(sr: Pixels, gt: Pixels | None, names: Sequence[str]) -> dict[str, float]:
    """Metric -> value of `sr` uint8 [H, W, 3]; without `gt` the no-reference ones alone. Raises NoMetric.

    A metric that has no finite value, or is not defined for so small a picture, is left out.
    """
    values = {"speckle": colour_speckle(sr)} | measured_by_name(names, sr, gt)
    if min(sr.shape[:2]) >= MIN_SIDE:
        values = no_reference(sr) | values
    if gt is not None:
        dists = {"dists": float(dists_batch(sr[None], gt[None])[0])} if dists_available() else {}
        values = full_reference(sr, gt) | dists | values
    return {name: value for name, value in values.items() if math.isfinite(value)}


def lower_is_better_of(names: Sequence[str]) -> tuple[str, ...]:
    """Of all that `measured` may give. Raises NoMetric."""
    return (*lower_is_better(names), "dists", "speckle")
