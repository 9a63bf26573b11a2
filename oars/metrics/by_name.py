"""Metrics of pyiqa by their names (`liqe`, `musiq`, ...), beside the offline panel.

For machines that have pyiqa and the weights of the metrics named, or may fetch them: pyiqa loads them itself.
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oars.errors import UserError
from oars.metrics.panel import FAULTS, HIGHER_IS_BETTER

Pixels = NDArray[np.uint8]


class NoMetric(UserError, ValueError):
    """A metric of the config that cannot be measured; the message is one line that names it."""


def check_metrics(names: Sequence[str]) -> None:
    """Load every metric, before work is done that would lack it. Raises NoMetric."""
    for name in names:
        _metric(name)


def measured_by_name(names: Sequence[str], sr: Pixels, gt: Pixels | None) -> dict[str, float]:
    """Value of each metric of `sr`, against `gt` where it takes a reference; both uint8 [H, W, 3].

    Without `gt` those that take one are left out. Raises NoMetric.
    """
    metrics = {name: _metric(name) for name in names}
    return {name: _value(m, sr, gt) for name, m in metrics.items() if gt is not None or m.metric_mode != "FR"}


def lower_is_better(names: Sequence[str]) -> list[str]:
    """Those of the panel, the faults, then those of `names`. Raises NoMetric."""
    panel = [name for name, higher in HIGHER_IS_BETTER.items() if not higher] + list(FAULTS)
    return panel + [name for name in names if _metric(name).lower_better]


@cache
def _metric(name: str) -> Any:
    """pyiqa's own object, on the CPU."""
    if name in HIGHER_IS_BETTER:
        raise NoMetric(f"metrics: {name!r} is in the panel, which is always measured")
    if find_spec("pyiqa") is None:
        raise NoMetric(f"metrics: {name!r} needs pyiqa, which is not installed: pip install pyiqa")
    from pyiqa import create_metric, list_models

    if name not in list_models():
        raise NoMetric(f"metrics: pyiqa knows no {name!r}")
    try:
        return create_metric(name, device="cpu")
    except OSError as error:  # its weights are not here and cannot be fetched
        raise NoMetric(f"metrics: {name!r} cannot be loaded: {' '.join(str(error).split())}") from error


def _value(metric: Any, sr: Pixels, gt: Pixels | None) -> float:
    images = (sr,) if gt is None or metric.metric_mode != "FR" else (sr, gt)
    with torch.no_grad():
        return float(metric(*(torch.tensor(image).permute(2, 0, 1)[None] / 255 for image in images)))
