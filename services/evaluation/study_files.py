"""The directory of a study, as it is made, served and tallied.

study.html     the raters' page: safe to send out      votes.sqlite    votes that `serve` collected
study.json     which model made what: keep it          tally.json, tally.md
"""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from oars.evaluation.study import BadStudy, Scene, plan_trials
from oars.evaluation.study_records import Study, Tally, Vote
from oars.evaluation.tally import tally
from oars.files import write_directory, write_text
from oars.json_files import read_json
from oars.metrics.measured import lower_is_better_of
from oars.names import printable
from oars.report.study_page import study_id, write_study_page
from oars.report.tally_tables import tally_text
from services.evaluation.votes import read_votes

PAGE, KEY = "study.html", "study.json"


class SavedVotes(BaseModel):
    """What a rater's page saves where no server takes its votes."""

    study: str
    rater: str
    votes: list[dict[str, str | int]]


def make_study(
    scenes: Sequence[Scene], folder: Path, trials: int | None, checks: int, side: int, with_gt: bool, seed: int
) -> Study:
    """Write study.html and study.json into a new folder. Raises BadStudy."""
    check_new(folder)
    models = list(scenes[0].outputs) if scenes else []
    planned = plan_trials(scenes, models, trials, checks, seed)
    shown = {trial.scene for trial in planned}
    values = {scene.name: {m: dict(v) for m, v in scene.values.items()} for scene in scenes if scene.name in shown}
    names = {name for models_ in values.values() for found in models_.values() for name in found}
    study = Study(
        seed=seed,
        models=tuple(models),
        trials=tuple(planned),
        values=values,
        lower_is_better=tuple(name for name in lower_is_better_of(()) if name in names),
    )

    def write(aside: Path) -> None:
        write_study_page(study, scenes, side, with_gt, aside / PAGE)
        write_text(aside / KEY, study.model_dump_json(indent=1))

    write_directory(folder, write)
    return study


def check_new(folder: Path) -> None:
    """Before pictures are read for it. Raises BadStudy."""
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise BadStudy(f"{printable(folder)}: exists; a study is made once, so that its votes stay true")


def read_study(folder: Path) -> Study:
    """Raises BadStudy."""
    return read_json(folder / KEY, Study, BadStudy)


def tally_study(folder: Path, saved: Sequence[Path]) -> Tally:
    """Count the votes that `serve` collected and those in `saved`; write tally.json and tally.md. Raises BadStudy."""
    study = read_study(folder)
    votes = [*read_votes(folder), *(vote for path in saved for vote in _saved(path, study_id(study)))]
    result = tally(study, votes)
    write_text(folder / "tally.json", result.model_dump_json(indent=1))
    write_text(folder / "tally.md", tally_text(result))
    return result


def _saved(path: Path, study: str) -> list[Vote]:
    try:
        told = SavedVotes.model_validate(json.loads(path.read_text()))
        votes = [Vote.model_validate(vote | {"rater": told.rater}) for vote in told.votes]
    except (OSError, ValueError) as error:  # pydantic's is one, too
        raise BadStudy(f"{printable(path)}: no saved votes: {' '.join(str(error).split())[:200]}") from error
    if told.study != study:
        raise BadStudy(f"{printable(path)}: votes of another study")
    return votes
