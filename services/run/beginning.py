"""Begins a run, or goes on with it if the same command is given again: the same id and the same config."""

import errno
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import yaml

from oars.config import RunConfig, load_profile
from oars.files import sync, write_text
from services.run.run_directory import CONFIG, BadRun, runs_folder

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# What a rename says that meets a directory with something in it.
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


def begin_run(config: RunConfig, run_id: str) -> Path:
    """The directory of a run: the one there is, for a command that is repeated, or a new one with the resolved config.

    Raises BadRun.
    """
    if (there := existing_run(config, run_id)) is not None:
        return there
    _create(_directory(config, run_id), config)
    # Where another driver was faster, its config counts.
    return existing_run(config, run_id) or _directory(config, run_id)


def existing_run(config: RunConfig, run_id: str) -> Path | None:
    """The directory of the run with this id and this config; None without one.

    Raises BadRun if the id is no file name, or that of another run, which the line tells apart by a field.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise BadRun(f"run id {run_id!r}: expected letters, digits, '.', '_' and '-', at most 100")
    directory = _directory(config, run_id)
    if not os.path.isfile(directory / CONFIG):
        if _holds_nothing(directory):
            return None
        raise BadRun(f"{directory} exists and is no run; choose another --run-id")
    if field := difference(config, load_profile(directory / CONFIG)):
        raise BadRun(f"run {run_id!r} exists with another {field}; choose another --run-id, or go on with --resume")
    return directory


def _holds_nothing(directory: Path) -> bool:
    try:
        return not any(directory.iterdir())
    except FileNotFoundError:
        return True
    except OSError as error:
        raise BadRun(f"{directory}: {error.strerror}") from error


def _directory(config: RunConfig, run_id: str) -> Path:
    return runs_folder(config.runs) / run_id


def _create(directory: Path, config: RunConfig) -> None:
    """It appears with its config, or not at all. Raises BadRun."""
    aside = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.partial")
    try:
        aside.mkdir(parents=True)
        write_text(aside / CONFIG, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        aside.rename(directory)  # refused where there is something in it
        sync(directory.parent)
    except OSError as error:
        if error.errno not in _TAKEN or not directory.is_dir():
            raise BadRun(f"{directory}: cannot be created: {error.strerror}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def difference(given: RunConfig, stored: RunConfig) -> str | None:
    """The first field that differs, with both values; not `runs`, which is where it was found."""
    ours, theirs = (_leaves(config.model_dump(mode="json", exclude={"runs"})) for config in (given, stored))
    for name in [*ours, *theirs]:
        if not _same(ours.get(name), theirs.get(name)):
            return f"{name}: {theirs.get(name)!r}, not {ours.get(name)!r}"
    return None


def _same(ours: object, theirs: object) -> bool:
    """A path may be given in two ways."""
    texts = isinstance(ours, str) and isinstance(theirs, str)
    return ours == theirs or (texts and os.path.abspath(str(ours)) == os.path.abspath(str(theirs)))


def _leaves(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= _leaves(value, f"{above}{name}.") if isinstance(value, dict) else {above + name: value}
    return leaves
