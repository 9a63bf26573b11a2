"""Run directories: where runs are kept, and who drives one.

runs/<run-id>/  config.yaml  summary.json  ledger.sqlite  metrics.jsonl  log.jsonl  tensorboard/  checkpoints/step_N/
                experience/  pictures/  refresh/  sft/  aligned/  samples/  report.html
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from oars.errors import UserError
from oars.report.summary import SUMMARY, read_summary

# Ray unpacks a submitted working directory under such a path and deletes it when the cluster ends.
_UNPACKED = "working_dir_files"
CONFIG = "config.yaml"
SENT_CONFIG = "OARS_RUN_CONFIG"
"""Environment variable of a job that holds its resolved config, JSON."""
_LOCK = "driver.lock"


class BadRun(UserError, ValueError):
    """A run that cannot be created or read; the message is one line."""


def resolve_runs(runs: Path, cwd: Path, environment: Mapping[str, str]) -> Path:
    """Absolute folder of run directories.

    A relative `runs` lies in $OARS_HOME; where that is not set, in the current directory, but for a submitted job in
    ~/oars: its current directory is a temporary copy.
    """
    home = environment.get("OARS_HOME", "~/oars" if _UNPACKED in cwd.parts else None)
    try:
        if runs.is_absolute() or runs.parts[:1] == ("~",):
            return runs.expanduser()
        return (cwd if home is None else Path(home).expanduser()) / runs
    except RuntimeError as error:
        raise BadRun(f"runs: {home or runs}: {error}; set HOME, OARS_HOME, or runs to a folder") from error


def runs_folder(runs: Path) -> Path:
    """The same for this process."""
    return resolve_runs(runs, Path.cwd(), os.environ)


def new_run_id(name: str, now: datetime | None = None) -> str:
    """Name and second: sorts by time, and two runs by one person do not collide."""
    return f"{name}-{(now or datetime.now(UTC)):%Y%m%d-%H%M%S}"


def succeeded(directory: Path) -> bool:
    """The run has come to its end, and nothing is left to do. Raises BadSummary."""
    return (directory / SUMMARY).exists() and read_summary(directory).status == "succeeded"


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Inside, no other driver can have the run; the kernel lets go when this process ends. Raises BadRun."""
    path = directory / _LOCK
    try:
        lock = path.open("w")
    except OSError as error:
        raise BadRun(f"{path}: a run needs a directory that it may write: {error.strerror}") from error
    with lock:
        _lock(directory, lock, fcntl.LOCK_EX)
        yield


def check_unclaimed(directory: Path) -> None:
    """Raises BadRun if a driver has the run. Needs no right to write there: the driver may be another user's."""
    try:
        lock = (directory / _LOCK).open()
    except OSError:
        return  # never driven; what else there is, the driver will say
    with lock:
        _lock(directory, lock, fcntl.LOCK_SH)


def _lock(directory: Path, file: IO[str], kind: int) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        raise BadRun(_unclaimable(directory, error)) from error


def _unclaimable(directory: Path, error: OSError) -> str:
    if error.errno in (errno.EAGAIN, errno.EACCES):
        return f"run {directory.name!r} is being driven by another process"
    return (
        f"{directory}: no locks on this file system ({error.strerror}), so two drivers could not be told apart; mount "
        "it with locks, or set runs, or OARS_HOME, to a folder that has them"
    )


def list_runs(runs: Path) -> list[Path]:
    """Run directories, the oldest first."""
    found = [path.parent for path in runs_folder(runs).glob(f"[!.]*/{CONFIG}")]
    return sorted(found, key=lambda path: (path / CONFIG).stat().st_mtime)


def find_run(runs: Path, run_id: str) -> Path:
    """Its absolute directory, by id or by the path of it. Raises BadRun."""
    runs = runs_folder(runs)
    for directory in (runs / run_id, Path(run_id).absolute()):
        if os.path.isfile(directory / CONFIG):
            return directory
    raise BadRun(f"no run {run_id!r} in {runs}")
