"""The figure behind early stopping: the share of validation pairs in the order of their labels and, where ladders are
trained, the share of ladder pairs along which the reward falls."""

import numpy as np
from numpy.typing import NDArray

from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.compass.pairs import pair_accuracy
from oars.compass.training.examples import Example, Examples, Pixels, ladder_base
from oars.compass.training.ladders import draw_ladder
from oars.config.judge_training import JudgeTrainingConfig
from oars.seeds import derive_seed

Values = NDArray[np.float64]


def held_out_accuracy(judge: Judge, examples: Examples, index: int, config: JudgeTrainingConfig) -> float:
    """The share of one group's pairs in the right order; with ladders, the mean of that and of its ladder's share."""
    own = order_accuracy(judge, examples[index])
    if not config.ladder_length:
        return own
    foreign = examples[(index + 1) % len(examples)].views[1]
    seed = derive_seed("judge ladder", config.seed, index)
    return (own + ladder_accuracy(judge, examples[index], foreign, config.ladder_length, seed)) / 2


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


def ladder_accuracy(judge: Judge, example: Example, foreign: Pixels, length: int, seed: int) -> float:
    """Share of the pairs of one of the group's ladders whose reward is in the right order."""
    rng = np.random.default_rng(seed)
    ladder = draw_ladder(ladder_base(example, rng), foreign, length, rng)
    readings = judge.score(example.views[0], ladder.pictures)
    read = np.array([(reading.fidelity, reading.q_lr, reading.q_sr) for reading in readings])
    return pair_accuracy(_rewards(read), -ladder.margins.sum(1, dtype=np.float64))


def _rewards(table: Values) -> Values:
    return np.array([compass_reward(*row) for row in table])
