"""What early stopping looks at: does the judge put a validation group's candidates in the order of their labels?

And, where it is taught chains of ever more changed pictures: does its reward fall along one of the group's?
"""

import numpy as np
from numpy.typing import NDArray

from oars.seeds import derive_seed
from oars.compass.training.perturbations import draw_chain
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.compass.training.examples import Example, Examples, Pixels
from oars.config.judge_training import JudgeTrainingConfig
from oars.compass.pairs import pair_accuracy

Values = NDArray[np.float64]


def held_out_accuracy(judge: Judge, examples: Examples, index: int, config: JudgeTrainingConfig) -> float:
    """The share of one group's pairs in the right order; with chains, the mean of that and of its chain's share."""
    own = order_accuracy(judge, examples[index])
    if not config.chain_length:
        return own
    foreign = examples[(index + 1) % len(examples)].views[1]
    seed = derive_seed("judge chain", config.seed, index)
    return (own + chain_accuracy(judge, examples[index], foreign, config.chain_length, seed)) / 2


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


def chain_accuracy(judge: Judge, example: Example, foreign: Pixels, length: int, seed: int) -> float:
    """Share of the pairs of a chain of one of the group's candidates whose reward is in the right order."""
    rng = np.random.default_rng(seed)
    picture = example.views[rng.integers(1, len(example.views))]
    chain = draw_chain(picture, foreign, length, rng)
    readings = judge.score(example.views[0], chain.pictures)
    read = np.array([(reading.fidelity, reading.q_lr, reading.q_sr) for reading in readings])
    return pair_accuracy(_rewards(read), -chain.falls.sum(1, dtype=np.float64))


def _rewards(table: Values) -> Values:
    return np.array([compass_reward(*row) for row in table])
