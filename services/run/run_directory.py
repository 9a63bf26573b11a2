"""Where runs are kept, and how a new one begins.

runs/<run-id>/  config.yaml  summary.json  ledger.sqlite  metrics.jsonl  log.jsonl  tensorboard/  checkpoints/step_N/
                experience/  sft/  aligned/  samples/  report.html
"""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import yaml

from oars.config import RunConfig
from oars.errors import UserError

# Ray unpacks a submitted working directory under such a path and deletes it when the cluster ends.
_UNPACKED = "working_dir_files"
CONFIG = "config.yaml"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class BadRun(UserError, ValueError):
    """A run that cannot be created or read; the message is one line."""


def resolve_runs(runs: Path, cwd: Path, environment: Mapping[str, str]) -> Path:
    """Absolute folder of run directories.

    A relative `runs` lies in $OARS_HOME; where that is not set, in the current directory, but for a submitted job in
    ~/oars: its current directory is a temporary copy.
    """
    if runs.is_absolute() or runs.parts[:1] == ("~",):
        return runs.expanduser()
    home = environment.get("OARS_HOME", "~/oars" if _UNPACKED in cwd.parts else None)
    return (cwd if home is None else Path(home).expanduser()) / runs


def runs_folder(runs: Path) -> Path:
    """The same for this process."""
    return resolve_runs(runs, Path.cwd(), os.environ)


def new_run_id(name: str, now: datetime | None = None) -> str:
    """Name and second: sorts by time, and two runs by one person do not collide."""
    return f"{name}-{(now or datetime.now(UTC)):%Y%m%d-%H%M%S}"


def create_run(config: RunConfig, run_id: str) -> Path:
    """Make the directory and write the resolved config into it. Raises BadRun if the id is taken or no file name."""
    if not _RUN_ID.fullmatch(run_id):
        raise BadRun(f"run id {run_id!r}: expected letters, digits, '.', '_' and '-', at most 100")
    directory = runs_folder(config.runs) / run_id
    try:
        directory.mkdir(parents=True)
    except FileExistsError as error:
        raise BadRun(f"run {run_id!r} exists: {directory}; choose another --run-id") from error
    except OSError as error:
        raise BadRun(f"{directory}: cannot be created: {error.strerror}") from error
    (directory / CONFIG).write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    return directory


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Inside, no other driver can have the run; the kernel lets go when this process ends. Raises BadRun."""
    with (directory / "driver.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadRun(f"run {directory.name!r} is being driven by another process") from error
        yield


def list_runs(runs: Path) -> list[Path]:
    """Run directories, the oldest first."""
    found = [path.parent for path in runs_folder(runs).glob(f"*/{CONFIG}")]
    return sorted(found, key=lambda path: (path / CONFIG).stat().st_mtime)


def find_run(runs: Path, run_id: str) -> Path:
    """Its absolute directory, by id or by the path of it. Raises BadRun."""
    runs = runs_folder(runs)
    for directory in (runs / run_id, Path(run_id).absolute()):
        if (directory / CONFIG).is_file():
            return directory
    raise BadRun(f"no run {run_id!r} in {runs}")
