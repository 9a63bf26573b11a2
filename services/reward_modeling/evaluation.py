"""`oars compass eval`: let a judge read what it never saw, compare, and write evaluation.json and evaluation.html."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from oars.compass.data.dataset import BadDataset, DataSplit, Group, read_groups, read_manifest
from oars.compass.judge import Judge
from oars.compass.judge_card import JudgeCard
from oars.config import JudgeConfig
from oars.evaluation.intervals import Interval
from oars.evaluation.judge_tables import REFERENCES, agreements, human_agreements, pair_accuracies, worst_pairs
from oars.evaluation.opinions import rated
from oars.evaluation.probes import ladder, probe, scenes_of
from oars.evaluation.records import AblationRow, JudgeEvaluation
from oars.evaluation.scored import ScoredGroup, scored_groups
from oars.evaluation.scored_opinions import scored
from oars.files import write_text
from oars.miniature import resolve_model
from oars.report.judge_page import PairPictures, write_page
from reward_server.checkpoint import judge_digest, judge_scale
from services.run.progress import Progress, ProgressLine

JSON, PAGE = "evaluation.json", "evaluation.html"
_PROBED = 32
"""Crops that are probed: enough for an interval of a share within 0.17."""
_SHOWN = 12


def evaluate_data_set(
    judge: str,
    data: Path,
    out: Path,
    gamma: float,
    split: DataSplit,
    progress: Progress,
    ablation: tuple[AblationRow, ...] = (),
    beside: Sequence[str] = (),
) -> JudgeEvaluation:
    """Everything, on one split of an annotated data set; of the judges `beside` it, the order of their rewards.

    Raises BadDataset, MissingModel.
    """
    directory, manifest = resolve_model(judge, "judge"), read_manifest(data)
    groups = list(read_groups(data, split))
    if not groups:
        raise BadDataset(f"{data}: no {split} groups")
    reader, card = Judge.load(directory), JudgeCard.of(directory)
    unseen = card.held_out_enhancers if card else ()
    total = len(groups)
    read = scored_groups(groups, reader, lambda done: progress.update(ProgressLine("judge", done, total)))
    for other in beside:
        read = _with_rewards_of(resolve_model(other, "judge"), groups, read, gamma, progress)
    scenes = scenes_of(groups, _PROBED)
    progress.update(ProgressLine("probe", 0, 2))
    probes = probe(reader, scenes, gamma) if scenes else []
    progress.update(ProgressLine("probe", 1, 2))
    steps = ladder(reader, scenes, scale=_scale(groups)) if scenes else []
    progress.update(ProgressLine("probe", 2, 2))
    wrong = worst_pairs(read, gamma, "consensus" if scenes else "labels", _SHOWN)
    result = _evaluation(directory, read, gamma, unseen).model_copy(
        update={
            "data": data.name,
            "data_digest": manifest.digest,
            "split": split,
            "probes": tuple(probes),
            "ladder": tuple(steps),
            "wrong_pairs": tuple(wrong),
            "ablation": ablation,
        }
    )
    pictures = {group.input_id: group for group in groups}
    _write(result, out, [PairPictures.of(pair, pictures[pair.input_id]) for pair in wrong])
    return result


def _with_rewards_of(
    other: Path, groups: list[Group], read: list[ScoredGroup], gamma: float, progress: Progress
) -> list[ScoredGroup]:
    """The groups with another judge's rewards among what is compared, under its folder's name."""
    name = f"{other.name} ({judge_scale(JudgeConfig(), other, None).basis})"
    told = scored_groups(groups, Judge.load(other), lambda done: progress.update(ProgressLine(name, done, len(groups))))
    pairs = zip(read, told, strict=True)
    return [replace(group, metrics=group.metrics | {name: its.rewards(gamma)}) for group, its in pairs]


def evaluate_benchmark(judge: str, folder: Path, out: Path, gamma: float, progress: Progress) -> JudgeEvaluation:
    """Judge and metrics against people, on a folder with mos.csv or in SRIQA-Bench's format.

    Raises BadBenchmark, MissingModel.
    """
    directory, groups = resolve_model(judge, "judge"), rated(folder)
    read = scored(
        groups, Judge.load(directory), lambda done, total: progress.update(ProgressLine("judge", done, total))
    )
    result = _evaluation(directory, read, gamma, ()).model_copy(
        update={"data": folder.name, "split": "benchmark", "human": tuple(human_agreements(read, gamma))}
    )
    _write(result, out, [])
    return result


def _evaluation(directory: Path, read: list[ScoredGroup], gamma: float, unseen: tuple[str, ...]) -> JudgeEvaluation:
    accuracies = pair_accuracies(read, gamma, unseen)
    used = {row.reference for row in accuracies}
    return JudgeEvaluation(
        judge=directory.name,
        judge_digest=judge_digest(directory),
        basis=judge_scale(JudgeConfig(), directory, None).basis or "",
        data="",
        data_digest="",
        split="",
        gamma=gamma,
        photos=len({group.photo for group in read}),
        inputs=len(read),
        transitions=sum(len(group.enhancers) for group in read),
        unseen_enhancers=unseen,
        confidence=min(group.mass for group in read),
        references={name: text for name, text in REFERENCES.items() if name in used},
        accuracies=tuple(accuracies),
        agreements=tuple(agreements(read)),
    )


def _scale(groups: list[Group]) -> int:
    return groups[0].sr.shape[1] // groups[0].lr.shape[0]


def _write(result: JudgeEvaluation, out: Path, pictures: list[PairPictures]) -> None:
    write_text(out / JSON, result.model_dump_json(indent=1))
    write_page(result, pictures, out / PAGE)


def accuracy_lines(result: JudgeEvaluation) -> list[str]:
    """A line a reference and contender, on all pairs; correlations with people's scores, if there are any."""
    pairs = [
        f"{row.reference:10} {row.contender:12} {_interval(row.accuracy)}"
        for row in result.accuracies
        if row.subset == "all"
    ]
    return pairs + [
        f"{name:10} {row.contender:12} {_interval(interval)}"
        for row in result.human
        for name, interval in (("SRCC", row.srcc), ("PLCC", row.plcc))
    ]


def _interval(interval: Interval) -> str:
    return f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f})"
