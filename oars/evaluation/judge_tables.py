"""The numbers of a judge's evaluation: pair accuracies against reference orders, agreement and calibration of outputs.

The reference orders, where no person was asked:
  labels     the data set's calibrated quality, which the judge was taught to imitate on other photos; of groups that
             the annotation kept
  consensus  pairs on which ST-LPIPS and ColorVideoVDP agree; the other pairs are open. Both see the ground truth, which
             the judge does not, both were fitted to human judgements (of 2AFC choices between patches; of just
             noticeable differences), and they err differently: a network's features, a model of early vision
  stlpips, cvvdp   each alone, so that the other one can be compared with the judge on pairs that it did not decide
The unit of resampling is a photo.
"""

import warnings
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import DegenerateDataWarning, pearsonr, spearmanr

from oars.compass.pairs import Order, consensus, order_of, tally
from oars.evaluation.intervals import Interval, of_statistic, share, share_difference
from oars.evaluation.records import HumanAgreement, Output, OutputAgreement, PairAccuracy, Subset, WrongPair
from oars.evaluation.scored import ScoredGroup, Values

JUDGE = "judge"
REFERENCES = {
    "human": "what people said",
    "labels": "the data set's calibrated quality labels, of groups that the annotation kept",
    "consensus": "pairs on which ST-LPIPS and ColorVideoVDP agree: both see the ground truth, were fitted to human "
    "judgements, and err differently",
    "stlpips": "ST-LPIPS alone",
    "cvvdp": "ColorVideoVDP alone",
}
_BINS = 10
_FEWEST = 3
"""Pictures that a correlation takes."""


def contenders(group: ScoredGroup, gamma: float) -> dict[str, NDArray[np.float64]]:
    """Scores [K] of all that are compared, higher is better; the judge's reward first."""
    return {
        JUDGE: group.rewards(gamma),
        "judge Q_SR": group.q_sr,
        "judge F": group.fidelity,
        **group.metrics,
    }


def reference_orders(group: ScoredGroup) -> dict[str, Order]:
    """Those that this group has."""
    if group.opinions is not None:
        return {"human": order_of(group.opinions)}
    seen = [order_of(group.metrics[name]) for name in ("stlpips", "cvvdp")]
    return {
        "labels": order_of(group.told_q_sr),
        "consensus": consensus(seen),
        "stlpips": seen[0],
        "cvvdp": seen[1],
    }


def chosen_pairs(group: ScoredGroup, subset: Subset, unseen: Sequence[str]) -> NDArray[np.bool_]:
    """[K, K]: pairs of one family; or, `unseen`, with at least one enhancer that training left out."""
    if subset == "all":
        return np.ones((len(group.enhancers), len(group.enhancers)), bool)
    if subset == "unseen":
        new = np.isin(group.enhancers, list(unseen))
        return new[:, None] | new[None]
    own = np.array(group.families) == subset
    return own[:, None] & own[None]


def pair_accuracies(groups: Sequence[ScoredGroup], gamma: float, unseen: Sequence[str]) -> list[PairAccuracy]:
    """Every contender against every reference on every subset that has pairs."""
    subsets: tuple[Subset, ...] = ("all", "regression", "generative", "unseen")
    return [row for subset in subsets for row in _subset_accuracies(groups, gamma, subset, unseen)]


def _subset_accuracies(
    groups: Sequence[ScoredGroup], gamma: float, subset: Subset, unseen: Sequence[str]
) -> list[PairAccuracy]:
    """A contender counts on the pairs that it has scores for, and the judge beside it on the same pairs."""
    photos = sorted({group.photo for group in groups})
    counts: dict[tuple[str, str], NDArray[np.float64]] = defaultdict(lambda: np.zeros((3, len(photos))))
    for group in groups:
        place, chosen = photos.index(group.photo), chosen_pairs(group, subset, unseen)
        scores = contenders(group, gamma)
        for reference, order in reference_orders(group).items():
            for name, values in scores.items():
                known = chosen & ~np.isnan(order_of(values))
                own, judge = (tally(scored, order, known) for scored in (values, scores[JUDGE]))
                counts[reference, name][:, place] += own.right, judge.right, own.pairs
    return [
        _accuracy(reference, name, subset, *columns)
        for (reference, name), columns in counts.items()
        if columns[2].sum() and not _is_its_own_reference(reference, name)
    ]


def _is_its_own_reference(reference: str, contender: str) -> bool:
    return reference == contender or (reference == "consensus" and contender in ("stlpips", "cvvdp"))


def _accuracy(
    reference: str,
    contender: str,
    subset: Subset,
    own: NDArray[np.float64],
    judge: NDArray[np.float64],
    pairs: NDArray[np.float64],
) -> PairAccuracy:
    difference = None if contender == JUDGE else share_difference(judge.tolist(), own.tolist(), pairs.tolist())
    return PairAccuracy(
        reference=reference,
        contender=contender,
        subset=subset,
        accuracy=share(own.tolist(), pairs.tolist()),
        judge_minus=difference,
    )


def agreements(groups: Sequence[ScoredGroup]) -> list[OutputAgreement]:
    """Agreement with the labels, for each output that has labels."""
    tables: dict[Output, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {
        "F": [(group.fidelity, group.told_fidelity) for group in groups],
        "Q_LR": [(np.array([group.q_lr]), np.array([group.told_q_lr])) for group in groups],
        "Q_SR": [(group.q_sr, group.told_q_sr) for group in groups],
    }
    photos = [group.photo for group in groups]
    rows = [_agreement(output, table, photos) for output, table in tables.items()]
    return [row for row in rows if row is not None]


def _agreement(
    output: Output, table: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], photos: Sequence[str]
) -> OutputAgreement | None:
    owners = np.array([photo for photo, (read, _) in zip(photos, table, strict=True) for _ in read])
    read, told = (np.concatenate([pair[side] for pair in table]) for side in (0, 1))
    known = np.isfinite(told)
    if known.sum() < _BINS or np.ptp(told[known]) == 0:
        return None
    read, told, owners = read[known], told[known], owners[known]
    units = [np.flatnonzero(owners == photo).tolist() for photo in sorted(set(owners))]

    def interval(statistic: object) -> Interval:
        return of_statistic(units, lambda rows: statistic(read[rows], told[rows]))  # type: ignore[operator]

    return OutputAgreement(
        output=output,
        srcc=interval(lambda a, b: float(spearmanr(a, b).statistic)),
        plcc=interval(lambda a, b: float(pearsonr(a, b).statistic)),
        calibration_error=interval(calibration_error),
        mean_error=float(np.abs(read - told).mean()),
    )


def human_agreements(groups: Sequence[ScoredGroup], gamma: float) -> list[HumanAgreement]:
    """Correlation of every contender's scores with people's, over all pictures; the unit of resampling is a photo."""
    rated = [group for group in groups if group.opinions is not None]
    scores = [contenders(group, gamma) for group in rated]
    names = dict.fromkeys(name for own in scores for name in own)
    rows = [
        _human_agreement(name, [(group, own[name]) for group, own in zip(rated, scores, strict=True) if name in own])
        for name in names
    ]
    return [row for row in rows if row is not None]


def _human_agreement(contender: str, table: Sequence[tuple[ScoredGroup, Values]]) -> HumanAgreement | None:
    """None where the scores, or people's, are all alike or too few."""
    owners = np.array([group.photo for group, values in table for _ in values])
    said = np.concatenate([values for _, values in table])
    told = np.concatenate([group.opinions for group, _ in table if group.opinions is not None])
    known = np.isfinite(said)
    said, told, owners = said[known], told[known], owners[known]
    if len(said) < _FEWEST or np.ptp(said) == 0 or np.ptp(told) == 0:
        return None
    units = [np.flatnonzero(owners == photo).tolist() for photo in sorted(set(owners))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # a resample may hold one picture many times
        srcc = of_statistic(units, lambda rows: float(spearmanr(said[rows], told[rows]).statistic))
        plcc = of_statistic(units, lambda rows: float(pearsonr(said[rows], told[rows]).statistic))
    return HumanAgreement(contender=contender, srcc=srcc, plcc=plcc)


def calibration_error(read: NDArray[np.float64], told: NDArray[np.float64]) -> float:
    """Mean over ten equally full bins of `read` of |mean read - mean told|, weighted by the bins' counts."""
    bins = np.array_split(np.argsort(read, kind="stable"), min(_BINS, len(read)))
    return float(sum(abs(read[rows].mean() - told[rows].mean()) * len(rows) for rows in bins) / len(read))


def worst_pairs(groups: Sequence[ScoredGroup], gamma: float, reference: str, count: int) -> list[WrongPair]:
    """The pairs whose worse member got the most more reward, at most one an input."""
    wrong = [pair for group in groups if (pair := _worst_pair(group, gamma, reference)) is not None]
    return sorted(wrong, key=lambda pair: -pair.gap)[:count]


def _worst_pair(group: ScoredGroup, gamma: float, reference: str) -> WrongPair | None:
    rewards, order = group.rewards(gamma), reference_orders(group)[reference]
    gaps = np.where(order == 1, rewards[None] - rewards[:, None], 0)
    better, worse = np.unravel_index(int(gaps.argmax()), gaps.shape)
    if gaps[better, worse] <= 0:
        return None
    names = group.enhancers
    return WrongPair(input_id=group.input_id, better=names[better], worse=names[worse], gap=float(gaps[better, worse]))
