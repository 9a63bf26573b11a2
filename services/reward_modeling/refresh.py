"""A judge that has seen what a run's policy makes: `oars compass refresh RUN`, and `stages.refresh` inside a run.

    data set   LR, candidates and ground truth that FR-RL kept (oars/compass/data/run_pictures.py)
    labels     by the measured metrics, as `oars compass annotate` gives them
    training   `oars compass train` from the run's own judge
    probes     of both judges, on the validation photos: refresh.json

Killed and run again with the same arguments, it goes on.
"""

from collections.abc import Callable, Sequence
from itertools import combinations, count
from pathlib import Path

import numpy as np

from oars.compass.data.dataset import MANIFEST, Group, Values, read_groups
from oars.compass.data.run_pictures import EXAGGERATED, POLICY, write_data_set
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.compass.training.files import JudgeFiles
from oars.config.annotation import AnnotationConfig
from oars.config.judge_training import JudgeTrainingConfig
from oars.evaluation.probes import probe, scenes_of
from oars.evaluation.refreshed import Refreshed, Standing, percent
from oars.evaluation.scored import scored_group
from oars.files import write_text
from oars.miniature import resolve_model
from reward_server.checkpoint import judge_digest
from services.reward_modeling.annotation import Annotation
from services.reward_modeling.background import in_thread
from services.reward_modeling.training import TrainingSummary, keep_config, train_judge
from services.run.progress import Progress, ProgressLine
from services.run.refreshed import REPORT

_PROBED = 16
"""Crops that are probed, of each judge."""
_MIDDLE = 0.5
"""Strength at which the share that falls is told."""


def prepare(run: Path, data: Path, told: Callable[[int, int], None] = lambda done, total: None) -> None:
    """The data set of a run's pictures, unless it is there; `told` as of `write_data_set`. Raises BadDataset."""
    if not (data / MANIFEST).exists():
        write_data_set(run, data, told)


async def refresh(
    run: Path, files: JudgeFiles, config: JudgeTrainingConfig, labels: AnnotationConfig, gamma: float, shown: Progress
) -> Refreshed:
    """Prepare, label, train and measure; leaves the new judge in `files.judge`. The event loop goes on meanwhile.

    Raises BadDataset, BadConfig, NoExamples, MissingModel, LearnerUnavailable.
    """
    keep_config(config, files)
    await in_thread(lambda told: _label(run, files.data, labels, told), shown)
    summary = await train_judge(config, files, shown)
    return await in_thread(lambda told: _compare(run.name, files, config, summary, gamma, told), shown)


def _label(run: Path, data: Path, labels: AnnotationConfig, shown: Progress) -> None:
    prepare(run, data, lambda done, total: shown.update(ProgressLine("pictures", done, total)))
    Annotation(labels, data, shown).run()


def _compare(
    run: str, files: JudgeFiles, config: JudgeTrainingConfig, summary: TrainingSummary, gamma: float, shown: Progress
) -> Refreshed:
    """Probe both judges and write refresh.json."""
    start, groups, done = resolve_model(config.init, "judge"), list(read_groups(files.data, "validation")), count(1)
    total = 2 * (len(groups) + len(scenes_of(groups, _PROBED)))

    def probed() -> None:
        shown.update(ProgressLine("probe", next(done), total))

    result = Refreshed(
        run=run,
        data_digest=summary.data_digest,
        steps=summary.measurements[-1].step,
        judge_before=judge_digest(start),
        judge_after=judge_digest(files.judge),
        before=standing(Judge.load(start), groups, gamma, probed),
        after=standing(Judge.load(files.judge), groups, gamma, probed),
        exaggerated_below_told=exaggerated_below_told(groups, gamma),
    )
    write_text(files.work / REPORT, result.model_dump_json(indent=1) + "\n")
    return result


def exaggerated_below_told(groups: Sequence[Group], gamma: float) -> float:
    """Share of groups whose labels make a lower reward for the exaggerated candidate than for the candidate itself."""
    return float(np.mean([_exaggerated_below(g, _rewards(g.fidelity, g.q_lr, g.q, gamma)) for g in groups]))


def standing(
    judge: Judge, groups: Sequence[Group], gamma: float, probed: Callable[[], None] = lambda: None
) -> Standing:
    """`probed` is called after each group and each probed crop."""
    below, ordered = [], []
    for group in groups:
        read = scored_group(group, judge)
        rewards = _rewards(read.fidelity, read.q_lr, read.q_sr, gamma)
        below.append(_exaggerated_below(group, rewards))
        ordered += _orders(rewards, group.q.tolist())
        probed()
    rows = probe(judge, scenes_of(groups, _PROBED), gamma, probed=probed)
    falls = {row.probe: row.reward_falls.mean for row in rows if row.strength == _MIDDLE and row.reward_falls}
    return Standing(
        exaggerated_below=float(np.mean(below)),
        pairs_in_order=float(np.mean(ordered)) if ordered else None,
        probes=falls,
    )


def _rewards(fidelity: Values, q_lr: float, quality: Values, gamma: float) -> list[float]:
    return [compass_reward(f, q_lr, q, gamma) for f, q in zip(fidelity, quality, strict=True)]


def _exaggerated_below(group: Group, rewards: Sequence[float]) -> bool:
    by_name = dict(zip(group.enhancers, rewards, strict=True))
    return by_name[EXAGGERATED] < by_name[POLICY]


def _orders(rewards: Sequence[float], quality: Sequence[float]) -> list[bool]:
    """Of each pair that the labels tell apart, whether the rewards agree."""
    pairs = [(a, b) for a, b in combinations(range(len(rewards)), 2) if quality[a] != quality[b]]
    return [(rewards[a] > rewards[b]) == (quality[a] > quality[b]) for a, b in pairs]


def lines(result: Refreshed) -> list[str]:
    """For a terminal: each share before and after."""
    return [f"{name:36} {percent(before):>5} -> {percent(after):>5}" for name, before, after in result.shares]
