"""`oars compass eval --ablation`: the paper's Table 3 on a data set of one's own.

    plain                  Q_SR of judges whose labels are the anchors alone
    + calibration          Q_SR of judges whose labels are the calibrated ranks
    + explicit fidelity    F * Q_SR: the reward with its gate's exponent fixed at 1
    + gate, gamma 5, 7, 9  the reward

Only the labels need trainings: two kinds, each with every seed. The other rows read the second kind's judges with
another formula. A training that is there is not repeated, so a killed ablation goes on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from oars.compass.data.dataset import Group, read_groups
from oars.compass.judge import Judge
from oars.compass.pairs import tally
from oars.compass.training.files import JudgeFiles
from oars.config.judge_training import JudgeTrainingConfig
from oars.evaluation.intervals import share, share_difference
from oars.evaluation.judge_tables import reference_orders
from oars.evaluation.records import AblationRow
from oars.evaluation.scored import ScoredGroup, scored_groups
from services.reward_modeling.training import keep_config, train_judge
from services.run.progress import Progress

Label = Literal["anchor", "calibrated"]
LABELS: tuple[Label, ...] = ("anchor", "calibrated")
REFERENCE = "consensus"


@dataclass(frozen=True)
class Variant:
    """A row: which judges it reads, how it scores a group's candidates, and which row it is compared with."""

    name: str
    label: Label
    score: Callable[[ScoredGroup], NDArray[np.float64]]
    before: str | None


def _gated(gamma: float) -> Callable[[ScoredGroup], NDArray[np.float64]]:
    return lambda group: group.rewards(gamma)


_FIDELITY = "+ explicit fidelity"
VARIANTS = (
    Variant("plain", "anchor", lambda group: group.q_sr, None),
    Variant("+ calibration", "calibrated", lambda group: group.q_sr, "plain"),
    Variant(_FIDELITY, "calibrated", lambda group: group.fidelity * group.q_sr, "+ calibration"),
    *(Variant(f"+ gate, gamma {gamma:g}", "calibrated", _gated(gamma), _FIDELITY) for gamma in (5.0, 7.0, 9.0)),
)


async def ablate(
    config: JudgeTrainingConfig, data: Path, work: Path, seeds: Sequence[int], progress: Progress
) -> tuple[AblationRow, ...]:
    """Train what is missing, read the evaluation split, compare. Raises as `train_judge` does."""
    scored: dict[Label, list[list[ScoredGroup]]] = {label: [] for label in LABELS}
    groups = [group for group in read_groups(data, "evaluation") if group.gt is not None]
    for seed in seeds:
        for label in LABELS:
            scored[label].append(await _scored(config, data, work, seed, label, groups, progress))
    return ablation_rows(scored)


async def _scored(
    config: JudgeTrainingConfig,
    data: Path,
    work: Path,
    seed: int,
    label: Label,
    groups: Iterable[Group],
    progress: Progress,
) -> list[ScoredGroup]:
    files = JudgeFiles(work / f"{label}-{seed}", data)
    variant = config.model_copy(update={"quality_label": label, "seed": seed})
    keep_config(variant, files)
    await train_judge(variant, files, progress)
    return scored_groups(groups, Judge.load(files.judge))


def ablation_rows(scored: dict[Label, list[list[ScoredGroup]]]) -> tuple[AblationRow, ...]:
    """`scored[label][seed]` are the evaluation groups as that judge read them, in one order."""
    photos = sorted({group.photo for group in scored["calibrated"][0]})
    counts = {variant.name: _counts(scored[variant.label], variant, photos) for variant in VARIANTS}
    return tuple(_row(variant, counts) for variant in VARIANTS)


Counts = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Right pairs and pairs, [seeds, photos]."""


def _counts(judges: list[list[ScoredGroup]], variant: Variant, photos: list[str]) -> Counts:
    right, pairs = np.zeros((2, len(judges), len(photos)))
    for seed, groups in enumerate(judges):
        for group in groups:
            counted = tally(variant.score(group), reference_orders(group)[REFERENCE])
            right[seed, photos.index(group.photo)] += counted.right
            pairs[seed, photos.index(group.photo)] += counted.pairs
    return right, pairs


def _row(variant: Variant, counts: dict[str, Counts]) -> AblationRow:
    right, pairs = counts[variant.name]
    own, total = right.sum(0).tolist(), pairs.sum(0).tolist()
    before = None if variant.before is None else counts[variant.before][0].sum(0).tolist()
    return AblationRow(
        variant=variant.name,
        training=variant.label,
        accuracies=tuple((right.sum(1) / pairs.sum(1)).tolist()),
        accuracy=share(own, total),
        gain=None if before is None else share_difference(own, before, total),
    )
