"""How good the judge is on photos that it never saw: agreement with the labels, and probes of known artefacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from oars.alignment.seeds import derive_seed
from oars.compass import enhancers
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge, Readings
from oars.compass.judge_batches import labels_of
from oars.compass.judge_data import Shelf
from oars.compass.labels import LabelMap
from oars.compass.transitions import detailed_crop, draw_lr, pixels_of
from oars.imaging.photos import Photo

Values = NDArray[np.float64]
Numbers = NDArray[np.floating]
# probe -> (base, artefacts); the rewards of each are to be compared with those of its base alone.
PROBES: dict[str, tuple[enhancers.Base, tuple[enhancers.Artefact, ...]]] = {
    "identity": (enhancers.unchanged, ()),
    "ground truth": (enhancers.ground_truth, ()),
    "half restored": (enhancers.partly_restored, ()),
    **{
        f"{name} {artefact.__name__}": (base, (artefact,))
        for name, base in (("identity", enhancers.unchanged), ("ground truth", enhancers.ground_truth))
        for artefact in enhancers.ARTEFACTS
    },
}


@dataclass(frozen=True)
class Agreement:
    """Spearman correlation with the labels, and share of pairs inside a group put in the right order (label gap > 5 %
    of its range), for F, Q_SR and the reward; `mass` is the mean confidence."""

    srcc_fidelity: float
    srcc_q_lr: float
    srcc_q_sr: float
    srcc_reward: float
    pairs_fidelity: float
    pairs_q_sr: float
    pairs_reward: float
    mass: float


def measure(judge: Judge, shelves: Sequence[Shelf], labels: LabelMap, gamma: float = 7.0) -> Agreement:
    """Score every transition of `shelves`."""
    told, read = [], []
    mass: list[float] = []
    for shelf in shelves:
        fidelity, quality = labels_of(shelf, labels)
        for row, views in enumerate(shelf.views):
            readings = judge.score(views[0], views[1:])
            mass += [reading.mass for reading in readings]
            q_lr = np.full(len(readings), quality[row, 0])
            told.append(_columns(fidelity[row, 1:], q_lr, quality[row, 1:], gamma))
            read.append(_columns(*_readings(readings), gamma))
    truth, guess = np.stack(told), np.stack(read)
    correlations = [_spearman(truth[..., c], guess[..., c]) for c in (0, 2, 3)]
    accuracies = [_pair_accuracy(truth[..., c], guess[..., c]) for c in (0, 2, 3)]
    return Agreement(
        srcc_fidelity=correlations[0],
        srcc_q_lr=_spearman(truth[:, 0, 1], guess[:, 0, 1]),
        srcc_q_sr=correlations[1],
        srcc_reward=correlations[2],
        pairs_fidelity=accuracies[0],
        pairs_q_sr=accuracies[1],
        pairs_reward=accuracies[2],
        mass=float(np.mean(mass)),
    )


def probe(judge: Judge, photos: Sequence[Photo], seed: int, count: int, size: int = 96) -> dict[str, tuple[float, ...]]:
    """Mean (F, Q_LR, Q_SR, R) of each probe over `count` crops of `photos`."""
    rows = []
    for index in range(count):
        rng = np.random.default_rng(derive_seed("probe", seed, index))
        gt, foreign = (detailed_crop(pixels_of(photos[(index + i) % len(photos)]), size, rng) for i in (0, 1))
        scene = enhancers.scene_of(draw_lr(gt, rng), gt, foreign)
        pictures = [enhancers.make(scene, base, artefacts, rng).pixels for base, artefacts in PROBES.values()]
        rows.append(_columns(*_readings(judge.score(scene.small, np.stack(pictures))), 7.0))
    means = np.mean(rows, axis=0)
    return {name: tuple(float(x) for x in row) for name, row in zip(PROBES, means, strict=True)}


def _readings(readings: Sequence[Readings]) -> tuple[Values, Values, Values]:
    table = np.array([(r.fidelity, r.q_lr, r.q_sr) for r in readings])
    return table[:, 0], table[:, 1], table[:, 2]


def _columns(fidelity: Numbers, q_lr: Numbers, q_sr: Numbers, gamma: float) -> Values:
    """[K, 4]: F, Q_LR, Q_SR, R."""
    rewards = [compass_reward(*row, gamma) for row in zip(fidelity, q_lr, q_sr, strict=True)]
    return np.stack([fidelity, q_lr, q_sr, np.array(rewards)], -1).astype(np.float64)


def _spearman(truth: Values, guess: Values) -> float:
    return float(spearmanr(truth.ravel(), guess.ravel()).statistic)


def _pair_accuracy(truth: Values, guess: Values) -> float:
    """Over pairs in a row of [G, K] whose labels differ by more than 5 % of all labels' range."""
    margin = 0.05 * float(np.ptp(truth))
    right = [
        (guess[:, i] > guess[:, j])[np.abs(gap) > margin] == (gap > 0)[np.abs(gap) > margin]
        for i, j in combinations(range(truth.shape[1]), 2)
        for gap in [truth[:, i] - truth[:, j]]
    ]
    return float(np.concatenate(right).mean())
