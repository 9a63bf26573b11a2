"""F in [0, 1] of outputs that have a GT, by a mapping that is fitted on the train split and kept with the data.

`dists`: 1 - DISTS / bound, clipped, the bound being the 95th percentile of the train pairs (paper: DISTS normalised;
how is ours). `metrics`: `oars.compass.annotation.labels.LabelMap.fidelity`, for machines without DISTS' weights:
ST-LPIPS alone would forgive colour shifts and moved content, so structure and colour count too. Both fall monotonically
in every error; 1 is reached by the ground truth alone.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from oars.compass.annotation.evidence import Measured
from oars.compass.annotation.labels import LabelMap

Values = NDArray[np.float64]

_BOUND_PERCENTILE = 95
DISTS_BOUND = "dists_bound"


@dataclass(frozen=True)
class FidelityMap:
    """The part of labels.json that says how F was made."""

    source: Literal["dists", "metrics"]
    labels: LabelMap
    dists_bound: float | None

    def of(self, group: Measured) -> Values | None:
        """[1 + K], the input first; None, so masked, without a GT."""
        if group.errors is None:
            return None
        if self.source == "metrics":
            return self.labels.fidelity(group.errors).astype(np.float64)
        assert group.dists is not None
        return self.of_dists(group.dists)

    def of_dists(self, values: Values) -> Values:
        """F of DISTS [N]; for `source` dists."""
        assert self.dists_bound is not None
        return np.clip(1 - values / self.dists_bound, 0, 1)

    @classmethod
    def beside(cls, text: str) -> "FidelityMap":
        """Read `oars_labels.json` beside a judge: the bounds and, if DISTS made the labels, its bound."""
        bounds = json.loads(text)
        dists_bound = bounds.pop(DISTS_BOUND, None)
        return cls("metrics" if dists_bound is None else "dists", LabelMap(**bounds), dists_bound)

    def record(self) -> dict[str, object]:
        return {"source": self.source, "bounds": asdict(self.labels), "dists_bound": self.dists_bound}


def fit_fidelity(groups: Sequence[Measured], labels: LabelMap, use_dists: bool) -> FidelityMap:
    if not use_dists:
        return FidelityMap("metrics", labels, None)
    values = [group.dists for group in groups if group.split == "train" and group.dists is not None]
    return FidelityMap("dists", labels, float(np.percentile(np.concatenate(values), _BOUND_PERCENTILE)))
