"""`RUN/refresh`: the judge's refresh in a run's directory, and which judge the run has served.

refresh.json is written last. Until it is there the run's judge is its config's own, from then on `refresh/judge`, for
every driver of the run.
"""

from pathlib import Path

from oars.compass.training.files import JudgeFiles
from oars.config import JudgeConfig, RunConfig
from oars.evaluation.refreshed import Refreshed
from oars.json_files import read_json
from services.run.run_directory import BadRun

REPORT = "refresh.json"


def refresh_files(work: Path) -> JudgeFiles:
    return JudgeFiles(work, work / "data")


def refresh_folder(run: Path) -> Path:
    return run / "refresh"


def read_refreshed(config: RunConfig, run: Path) -> Refreshed | None:
    """What `stages.refresh` came to; None before it is done, or without it. Raises BadRun."""
    path = refresh_folder(run) / REPORT
    if config.stages.refresh is None or not path.exists():
        return None
    return read_json(path, Refreshed, BadRun)


def judge_of(config: RunConfig, run: Path) -> JudgeConfig:
    """The judge that has to be served. Raises BadRun."""
    if read_refreshed(config, run) is None:
        return config.judge
    path = refresh_files(refresh_folder(run)).judge
    return config.judge.model_copy(update={"path": str(path), "calibration": None})
