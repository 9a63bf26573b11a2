"""Enlarges photos and keeps `upscale.json`, from which a killed command goes on.

Of several candidates the one that the judge rewards most is written; with one there is no judge. A photo that cannot be
used does not stop the others: its record says why.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from oars.config import RunConfig, SamplerConfig
from oars.errors import UserError
from oars.files import sha256, write_text
from oars.imaging.colour import ColourFix
from oars.imaging.encoding import write_picture
from oars.imaging.enlargement import Enlargement, plan_enlargement
from oars.imaging.image_io import MAX_INPUT_PIXELS, Picture, Pixels, check_whole, read_picture
from oars.imaging.picture_metadata import read_metadata
from oars.imaging.row_file import RowFile
from oars.imaging.srgb import to_profile
from oars.imaging.transparency import finished_rows, visible_colours
from oars.names import printable
from oars.seeds import derive_seed
from services.results.enlargement_tasks import Task
from services.results.transition import LocalScorer, Scorer, Verdict, verdict

if TYPE_CHECKING:  # with it come torch and diffusers, seconds that a plan need not wait for
    from oars.generator.enlarging import Enlarger

REPORT = "upscale.json"


class Settings(BaseModel):
    """Everything that an enlargement depends on beside its photo."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: str
    weights_digest: str
    scale: float
    model_scale: int
    sampler: SamplerConfig
    colour: ColourFix
    seed: int
    candidates: int
    judge: str | None


class Record(BaseModel):
    """What became of one photo."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    source_digest: str = ""
    target: str
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    chosen: int = 0
    """Candidate that was written, from 0."""
    rewards: list[float | None] = []
    """By candidate; none without a judge, null where it gave no score."""
    error: str = ""


class Report(BaseModel):
    """`upscale.json`: records by target, as a path below the folder of the report."""

    model_config = ConfigDict(extra="forbid")

    settings: Settings
    pictures: dict[str, Record] = {}


@dataclass(frozen=True)
class Enlargements:
    """The models, loaded."""

    enlarger: "Enlarger"
    scorer: Scorer | None
    settings: Settings

    @classmethod
    def load(cls, config: RunConfig, transformer: Path | None, settings: Settings) -> "Enlargements":
        """`transformer`: weights in place of the base's. Raises MissingModel, BadJudge."""
        from oars.generator.enlarging import Enlarger  # diffusers: after what can be refused without it
        from oars.generator.policy import load_pipeline
        from oars.generator.upscaler import Upscaler

        scorer = LocalScorer(config.judge, config.reward) if settings.candidates > 1 else None
        pipeline = load_pipeline(config.generator, transformer)
        upscaler = Upscaler(pipeline, pipeline.transformer, config.generator, config.sampler)
        return cls(Enlarger(upscaler, settings.colour), scorer, settings)

    def record(self, task: Task, tile: Callable[[], None]) -> Record:
        """`write`; what is wrong with the photo, the record says."""
        try:
            return self.write(task, tile)
        except UserError as error:
            return failed(task, str(error))

    def write(self, task: Task, tile: Callable[[], None]) -> Record:
        """Enlarge one photo. Raises BadImage, NotEnoughMemory, NotWritable."""
        started, picture = time.monotonic(), read_picture(task.source, MAX_INPUT_PIXELS)
        plan = planned(task, picture.rgb.shape, self.settings)
        metadata = read_metadata(task.source)
        task.target.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as files:
            best, chosen, rewards = self._best(picture, plan, task.target.parent, files, tile)
            convert = to_profile(metadata.profile)
            channels = 3 if picture.alpha is None else 4
            final = files.enter_context(RowFile(task.target.parent, plan.width, channels))
            final.fill(finished_rows(best, plan.height, plan.width, picture.alpha, convert))
            write_picture(task.target, final, metadata)
        return Record(
            source=printable(task.source),
            source_digest=sha256(task.source),
            target=printable(task.target),
            width=plan.width,
            height=plan.height,
            seconds=time.monotonic() - started,
            chosen=chosen,
            rewards=rewards,
        )

    def _best(
        self, picture: Picture, plan: Enlargement, folder: Path, files: ExitStack, tile: Callable[[], None]
    ) -> tuple[RowFile, int, list[float | None]]:
        lr, rewards, best = visible_colours(picture), list[float | None](), list[RowFile]()
        for candidate in range(self.settings.candidates):
            seed = self.settings.seed if candidate == 0 else derive_seed(self.settings.seed, "candidate", candidate)
            drawn = self.enlarger.draw(lr, plan.passes, seed, folder, tile)
            best.append(files.enter_context(drawn))
            if self.scorer is not None:
                rewards.append(_reward(lr, drawn, plan, self.scorer))
        scored = [(reward, -number) for number, reward in enumerate(rewards) if reward is not None]
        chosen = -max(scored)[1] if scored else 0
        return best[chosen], chosen, rewards


Load = Callable[[], Enlargements]
"""Loads the models; raises MissingModel, BadJudge."""


def planned(task: Task, shape: tuple[int, ...], settings: Settings) -> Enlargement:
    """The cost of a photo [h, w, 3]. Raises BadImage, NotEnoughMemory."""
    scale, most = settings.scale, settings.model_scale
    return plan_enlargement(printable(task.source), shape, scale, most, settings.sampler, task.target)


def count_tiles(tasks: list[Task], settings: Settings) -> int:
    """Tiles of all photos that can be read to their ends."""
    return settings.candidates * sum(_tiles(task, settings) for task in tasks)


def _tiles(task: Task, settings: Settings) -> int:
    try:
        with task.source.open("rb") as file:
            width, height = check_whole(file, printable(task.source))
        return planned(task, (height, width), settings).tiles
    except (UserError, OSError):
        return 0  # what is wrong with it, its record will say


def _reward(lr: Pixels, drawn: RowFile, plan: Enlargement, scorer: Scorer) -> float | None:
    sr = np.concatenate(list(finished_rows(drawn, plan.height, plan.width, None, None)))
    judged = verdict(lr, sr, scorer)
    return judged.reward if isinstance(judged, Verdict) else None


def failed(task: Task, error: str) -> Record:
    return Record(source=printable(task.source), target=printable(task.target), error=error)


def enlarge_all(
    made: Enlargements, tasks: list[Task], progress: Callable[[Task], Callable[[], None]]
) -> Iterator[tuple[Task, Record]]:
    """Do the tasks, one after the other. `progress` gives the listener to a photo's tiles."""
    return ((task, made.record(task, progress(task))) for task in tasks)


def keep_records(report: Report, records: Iterable[tuple[Task, Record]], out: Path) -> None:
    """Note each record in `upscale.json` of `out` as it comes."""
    for task, record in records:
        report.pictures[_name(task, out)] = record
        write_text(out / REPORT, report.model_dump_json(indent=1) + "\n")


def read_report(out: Path, settings: Settings) -> Report:
    """What is there, if it was made with the same settings; else an empty one."""
    try:
        there = Report.model_validate_json((out / REPORT).read_bytes())
    except (OSError, ValidationError):
        return Report(settings=settings)
    return there if there.settings == settings else Report(settings=settings)


def left_to_do(report: Report, tasks: list[Task], out: Path) -> list[Task]:
    """Tasks whose target is not there, or was not made from the photo as it is now."""
    return [task for task in tasks if not _is_done(report.pictures.get(_name(task, out)), task)]


def _is_done(record: Record | None, task: Task) -> bool:
    if record is None or record.error or not task.target.is_file():
        return False
    return record.source_digest == sha256(task.source)


def _name(task: Task, out: Path) -> str:
    return printable(task.target.relative_to(out))
