"""`oars compass train`: the judge's fine-tuning on a connected cluster, from packing the data to the best judge.

    pack        pictures and labels of the data set, once
    prepare     a new miniature only: its vision tower and output layer, from random weights
    tune        soft targets on the score tokens; every so often measured on validation photos, then a checkpoint
    stop        when no measurement is a new best for `patience` times, or after the last step

Killed anywhere and run again with the same arguments, it goes on from its last checkpoint and ends in the same weights.
"""

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict

from learner.judge_group import JudgeGroup
from learner.plan import chunked
from oars.compass.data.dataset import DataSplit, fidelity_bounds, read_explanations, read_groups, read_manifest
from oars.compass.judge_card import JUDGE_CARD, JUDGE_LABELS, JudgeCard
from oars.compass.training.examples import NoExamples, example_of, pack
from oars.compass.training.files import SCRATCH, JudgeFiles
from oars.config import BadConfig
from oars.config.judge_training import JudgeTrainingConfig
from oars.files import begin_directory, publish_directory, write_text
from services.reward_modeling.background import in_thread
from services.run.progress import Progress, ProgressLine

T = TypeVar("T")


class Measurement(BaseModel):
    """Held-out pair accuracy after a step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    accuracy: float
    loss: float
    """Mean training loss since the measurement before."""


class TrainingSummary(BaseModel):
    """training.json: how the judge came about."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: int = 1
    data_digest: str
    groups: dict[str, int]
    start: float | None = None
    """Held-out pair accuracy of the judge that fine-tuning began with; None for a new miniature."""
    measurements: tuple[Measurement, ...] = ()
    stopped_early: bool = False

    @property
    def best(self) -> Measurement | None:
        """The earliest of equals: its judge is the one that is kept."""
        return max(self.measurements, key=lambda one: (one.accuracy, -one.step), default=None)


def keep_config(config: JudgeTrainingConfig, files: JudgeFiles) -> None:
    """Write config.yaml. Raises BadConfig if a training with another config began in this folder."""
    path = files.work / "config.yaml"
    text = yaml.safe_dump({"data": str(files.data), **config.model_dump(mode="json")}, sort_keys=False)
    if path.exists() and path.read_text() != text:
        raise BadConfig(f"{path}: a training with another config or data set began there: choose another --out")
    write_text(path, text)


async def train_judge(config: JudgeTrainingConfig, files: JudgeFiles, progress: Progress) -> TrainingSummary:
    """Train, or go on; leaves the best judge in `files.judge`. Raises BadDataset, NoExamples, MissingModel."""
    groups = await in_thread(lambda told: _pack(config, files, told), progress)
    summary = TrainingSummary(data_digest=read_manifest(files.data).digest, groups=groups)
    group = await JudgeGroup.start(config, files)
    try:
        return await _train(config, files, group, summary, progress)
    finally:
        group.stop()


def _pack(config: JudgeTrainingConfig, files: JudgeFiles, progress: Progress) -> dict[str, int]:
    """Examples of train and validation, unless they are there; how many groups each has."""
    folder = files.train.parent
    counts = folder / "counts.json"
    if not counts.exists():
        aside = begin_directory(folder)
        packed = {split: _pack_split(config, files.data, split, aside, progress) for split in ("train", "validation")}
        (aside / counts.name).write_text(_Counts(**packed).model_dump_json())
        publish_directory(folder)
    return _Counts.model_validate_json(counts.read_text()).model_dump()


class _Counts(BaseModel):
    train: int
    validation: int


def _pack_split(config: JudgeTrainingConfig, data: Path, split: DataSplit, folder: Path, progress: Progress) -> int:
    told = read_explanations(data)
    examples = (example_of(group, config, told.get(group.input_id, {})) for group in read_groups(data, split, True))
    count = pack(examples, folder / split)
    progress.update(ProgressLine(f"pack {split}", count, count))
    if not count:
        raise NoExamples(f"{data}: no {split} groups are left to train the judge on")
    return count


async def _train(
    config: JudgeTrainingConfig, files: JudgeFiles, group: JudgeGroup, summary: TrainingSummary, progress: Progress
) -> TrainingSummary:
    await _prepare(config, files, group, progress)
    if (newest := files.newest_checkpoint()) is not None:
        summary = TrainingSummary.model_validate(await group.load(newest))
    else:
        await _in_time(config, group.begin())
        if config.init != SCRATCH:
            summary = summary.model_copy(update={"start": await _accuracy(config, group, summary, progress)})
    step = summary.measurements[-1].step if summary.measurements else 0
    losses: list[float] = []
    while step < config.steps and not summary.stopped_early:
        report = await _in_time(config, group.step())
        step, losses = report.step, [*losses, report.loss]
        best = f", best {summary.best.accuracy:.3f}" if summary.best else ""
        progress.update(ProgressLine("tune", step, config.steps, f"loss {report.loss:.3f}{best}"))
        if step % config.evaluate_every == 0 or step == config.steps:
            now = await _accuracy(config, group, summary, progress)
            measurement = Measurement(step=step, accuracy=now, loss=sum(losses) / len(losses))
            summary = await _kept(config, files, group, summary, measurement)
            losses = []
    write_text(files.work / "training.json", summary.model_dump_json(indent=2))
    return summary


async def _prepare(config: JudgeTrainingConfig, files: JudgeFiles, group: JudgeGroup, progress: Progress) -> None:
    steps = config.preparation.steps
    while config.init == SCRATCH and not files.prepared.exists():
        done = await _in_time(config, group.prepare())
        progress.update(ProgressLine("prepare", done, steps))


async def _kept(
    config: JudgeTrainingConfig, files: JudgeFiles, group: JudgeGroup, summary: TrainingSummary, now: Measurement
) -> TrainingSummary:
    """Write the judge if it is the best so far; then a checkpoint that knows all this."""
    summary = summary.model_copy(update={"measurements": (*summary.measurements, now)})
    if summary.best == now:
        await _in_time(config, group.write(files.judge, _beside(config, files, now)))
    late = [one for one in summary.measurements if summary.best and one.step > summary.best.step]
    stopped = 0 < config.patience <= len(late)
    summary = summary.model_copy(update={"stopped_early": stopped})
    await _in_time(config, group.save(files.checkpoints / f"step_{now.step}", summary.model_dump()))
    files.drop_checkpoints_before(now.step)
    return summary


async def _accuracy(
    config: JudgeTrainingConfig, group: JudgeGroup, summary: TrainingSummary, progress: Progress
) -> float:
    """Share of the validation pairs in the right order, mean over the groups. Each rank measures one group at a time,
    so that a long measurement is seen to go on."""
    count, accuracies = min(summary.groups["validation"], config.validation_groups), list[float]()
    for part in chunked(range(count), config.learner.ranks):
        accuracies += await _in_time(config, group.measure(part))
        progress.update(ProgressLine("measure", len(accuracies), count))
    return sum(accuracies) / len(accuracies)


def _beside(config: JudgeTrainingConfig, files: JudgeFiles, now: Measurement) -> dict[str, str]:
    """Files beside the weights."""
    manifest = read_manifest(files.data)
    seen = tuple(one.name for one in manifest.enhancers if one.name not in config.held_out_enhancers)
    card = JudgeCard(
        data_digest=manifest.digest,
        enhancers=seen,
        held_out_enhancers=config.held_out_enhancers,
        step=now.step,
        accuracy=now.accuracy,
    )
    beside = {JUDGE_CARD: card.model_dump_json(indent=1) + "\n"}
    if (bounds := fidelity_bounds(files.data)) is not None:
        beside[JUDGE_LABELS] = json.dumps(bounds, indent=2) + "\n"
    return beside


async def _in_time(config: JudgeTrainingConfig, answer: Awaitable[T]) -> T:
    return await asyncio.wait_for(answer, config.step_deadline_s)
