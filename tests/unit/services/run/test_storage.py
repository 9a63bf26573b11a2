"""A file system that is full is told from other errors, whoever met it, and named in one line."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from ray.exceptions import OutOfDiskError, RayTaskError

from oars.files import write_text
from services.run.ledger import Ledger
from services.run.run_directory import BadRun
from services.run.storage import storage_fault

RUN = Path("/runs/r1")


def caught(full: Path) -> BaseException:
    with pytest.raises(OSError) as error, full.open("w", buffering=1) as file:
        file.write("x\n")
    return error.value


def test_a_full_device_is_one_line() -> None:
    assert storage_fault(caught(Path("/dev/full")), RUN) == "/runs/r1: No space left on device"
    named = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/runs/r1/checkpoints/.step_4.partial/a")
    assert storage_fault(named, RUN) == "/runs/r1/checkpoints/.step_4.partial/a: Disk quota exceeded"


def test_it_is_found_behind_what_a_library_made_of_it() -> None:
    for said in ("I/O error: No space left on device (os error 28)", "PytorchStreamWriter failed writing file data/0"):
        inner = RuntimeError(said)
        try:
            raise ValueError("a rank failed") from inner
        except ValueError as error:
            assert storage_fault(ExceptionGroup("tasks", [error]), RUN) == "/runs/r1: No space left on device"


def test_a_disk_that_takes_no_more_of_ray_s_objects_is_one_line() -> None:
    error = OutOfDiskError("Failed to put object abc in object store")
    for met in (error, RayTaskError("sample", str(error), error).as_instanceof_cause()):
        assert "RAY_TMPDIR" in str(storage_fault(ExceptionGroup("tasks", [met]), RUN))


def test_a_full_ledger_is_one_line(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    ledger._db.execute("PRAGMA max_page_count=40")
    with pytest.raises(sqlite3.OperationalError) as error:
        for ordinal in range(10_000):
            ledger.admit(f"group-{ordinal}", ordinal, "fr_rl", ordinal, "photo", seed=1, version=0)
    assert storage_fault(error.value, RUN) == "/runs/r1: the ledger cannot be written: database or disk is full"
    assert ledger.violations() == []
    ledger.close()


@pytest.mark.parametrize(
    "error",
    [BadRun("no run"), OSError(errno.ENOENT, "gone"), RuntimeError("loss"), sqlite3.IntegrityError("twice")],
)
def test_other_errors_are_others(error: Exception) -> None:
    assert storage_fault(error, RUN) is None


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a", "\udc80")
    assert list(tmp_path.iterdir()) == []
