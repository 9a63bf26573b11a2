"""What early stopping looks at: does the judge put a validation group's candidates in the order of their labels?"""

import numpy as np
from numpy.typing import NDArray

from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.compass.judge_examples import Example
from oars.evaluation.pairs import pair_accuracy

Values = NDArray[np.float64]


def order_accuracy(judge: Judge, example: Example) -> float:
    """Share of the group's pairs in the right order: of the reward where F is labelled, else of Q_SR."""
    readings = judge.score(example.views[0], example.views[1:])
    read = np.array([(reading.fidelity, reading.q_lr, reading.q_sr) for reading in readings])
    told = np.stack(
        [example.fidelity, np.full(len(read), example.quality[0]), example.quality[1:]], axis=1, dtype=np.float64
    )
    if np.isfinite(told).all():
        return pair_accuracy(_rewards(read), _rewards(told))
    return pair_accuracy(read[:, 2], told[:, 2])


def _rewards(table: Values) -> Values:
    return np.array([compass_reward(*row) for row in table])
