"""The rewards of pictures in this process, without a cluster, and the tables that measurements of groups share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oars.compass.formula import compass_reward
from oars.compass.judge import Readings
from oars.config import RunConfig

Values = NDArray[np.float64]
Table = dict[str, Values]
"""Of each metric, of `reward` and of `judged`, float64 [groups, pictures]."""


def rewards(config: RunConfig, fidelity: Sequence[float], read: Sequence[Readings]) -> dict[str, list[float]]:
    """`reward`: with the measured F, as in FR-RL; `judged`: with the judge's, as in NR-RL. One each a picture."""
    judged = [each.fidelity for each in read]
    return {
        name: [
            compass_reward(f, each.q_lr, each.q_sr, **config.reward.parameters)
            for f, each in zip(of, read, strict=True)
        ]
        for name, of in (("reward", fidelity), ("judged", judged))
    }
