"""`oars compass refresh RUN`: a judge that has seen what this run's policy makes.

    data set   LR, candidates and ground truth that FR-RL kept (oars/compass/data/run_pictures.py)
    labels     by the measured metrics, as `oars compass annotate` gives them
    training   `oars compass train` from the run's own judge
    probes     of both judges, on the validation photos: refresh.json

Killed and run again with the same arguments, it goes on.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from oars.compass.data.dataset import MANIFEST, Group, read_groups
from oars.compass.data.run_pictures import EXAGGERATED, POLICY, write_data_set
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.compass.training.files import JudgeFiles
from oars.config.annotation import AnnotationConfig
from oars.config.judge_training import JudgeTrainingConfig
from oars.evaluation.probes import probe, scenes_of
from oars.evaluation.scored import scored_group
from oars.files import write_text
from oars.miniature import resolve_model
from services.reward_modeling.annotation import Annotation
from services.reward_modeling.training import keep_config, train_judge
from services.run.progress import Progress, ProgressLine

REPORT = "refresh.json"
_PROBED = 16
"""Crops that are probed, of each judge."""
_MIDDLE = 0.5
"""Strength at which the share that falls is told."""


class Standing(BaseModel):
    """What one judge makes of the policy's pictures and of the probes; shares in [0, 1]."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    exaggerated_below: float
    """Groups in which the exaggerated candidate has a lower reward than the candidate itself."""
    pairs_in_order: float
    """Pairs of one LR's candidates that the reward orders as the labels of quality do."""
    probes: dict[str, float]
    """By probe: crops whose reward falls from strength 0.25 to 0.5."""


class Refreshed(BaseModel):
    """refresh.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    data_digest: str
    before: Standing
    after: Standing


def prepare(run: Path, data: Path) -> None:
    """The data set of a run's pictures, unless it is there. Raises BadDataset."""
    if not (data / MANIFEST).exists():
        write_data_set(run, data)


async def refresh(
    run: Path, files: JudgeFiles, config: JudgeTrainingConfig, labels: AnnotationConfig, gamma: float, shown: Progress
) -> Refreshed:
    """Label, train and measure; leaves the new judge in `files.judge`."""
    Annotation(labels, files.data, shown).run()
    keep_config(config, files)
    summary = await train_judge(config, files, shown)
    groups = list(read_groups(files.data, "validation"))
    shown.update(ProgressLine("probe", 0, 2))
    before = standing(Judge.load(resolve_model(config.init, "judge")), groups, gamma)
    shown.update(ProgressLine("probe", 1, 2))
    after = standing(Judge.load(files.judge), groups, gamma)
    shown.update(ProgressLine("probe", 2, 2))
    result = Refreshed(run=run.name, data_digest=summary.data_digest, before=before, after=after)
    write_text(files.work / REPORT, result.model_dump_json(indent=1) + "\n")
    return result


def standing(judge: Judge, groups: Sequence[Group], gamma: float) -> Standing:
    below, ordered = [], []
    for group in groups:
        read = scored_group(group, judge)
        rewards = [compass_reward(f, read.q_lr, q, gamma) for f, q in zip(read.fidelity, read.q_sr, strict=True)]
        by_name = dict(zip(group.enhancers, rewards, strict=True))
        below.append(by_name[EXAGGERATED] < by_name[POLICY])
        ordered += _orders(rewards, group.q.tolist())
    rows = probe(judge, scenes_of(groups, _PROBED), gamma)
    falls = {row.probe: row.reward_falls.mean for row in rows if row.strength == _MIDDLE and row.reward_falls}
    return Standing(
        exaggerated_below=float(np.mean(below)),
        pairs_in_order=float(np.mean(ordered)) if ordered else float("nan"),
        probes=falls,
    )


def _orders(rewards: Sequence[float], quality: Sequence[float]) -> list[bool]:
    """Of each pair that the labels tell apart, whether the rewards agree."""
    pairs = [(a, b) for a, b in combinations(range(len(rewards)), 2) if quality[a] != quality[b]]
    return [(rewards[a] > rewards[b]) == (quality[a] > quality[b]) for a, b in pairs]


def lines(result: Refreshed) -> list[str]:
    """For a terminal: each share before and after."""
    shares = {
        "exaggerated below the policy's own": (result.before.exaggerated_below, result.after.exaggerated_below),
        "pairs in the order of the labels": (result.before.pairs_in_order, result.after.pairs_in_order),
        **{name: (result.before.probes[name], share) for name, share in result.after.probes.items()},
    }
    return [f"{name:36} {100 * before:3.0f} % -> {100 * after:3.0f} %" for name, (before, after) in shares.items()]
