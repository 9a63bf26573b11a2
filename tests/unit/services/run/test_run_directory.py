"""Where runs are kept, and that no run overwrites another."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.run.run_directory import BadRun, claimed, find_run, new_run_id, resolve_runs

PACKAGE = Path("/tmp/ray/session/runtime_resources/working_dir_files/_ray_pkg_1")


@pytest.mark.parametrize(
    ("runs", "cwd", "home", "expected"),
    [
        ("runs", Path("/here"), None, "/here/runs"),
        ("/data/runs", PACKAGE, "/shared", "/data/runs"),
        ("runs", PACKAGE, "/shared", "/shared/runs"),
        ("runs", Path("/here"), "/shared", "/shared/runs"),
        ("runs", PACKAGE, None, str(Path("~/oars/runs").expanduser())),
    ],
)
def test_a_submitted_job_does_not_write_into_its_temporary_copy(
    runs: str, cwd: Path, home: str | None, expected: str
) -> None:
    environment = {} if home is None else {"OARS_HOME": home}
    assert resolve_runs(Path(runs), cwd, environment) == Path(expected)


def test_a_missing_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="no run 'ghost'"):
        find_run(tmp_path, "ghost")


def test_run_ids_sort_by_time() -> None:
    assert new_run_id("tiny", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "tiny-20260102-030405"


def test_a_run_has_one_driver_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path), pytest.raises(BadRun, match="driven by another process"), claimed(tmp_path):
        raise AssertionError("two drivers")
    with claimed(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_missing_locks_are_called_missing_locks(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("services.run.run_directory.fcntl.flock", without)
    with pytest.raises(BadRun, match=f"^{tmp_path}: no locks on this file system") as caught, claimed(tmp_path):
        raise AssertionError("claimed without a lock")
    assert "another process" not in str(caught.value)


def test_a_run_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "driver.lock").mkdir()
    with pytest.raises(BadRun, match=r"driver\.lock: a run needs a directory that it may write"), claimed(tmp_path):
        raise AssertionError("claimed without a lock")


def test_no_home_is_one_line_naming_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", without)
    for runs, cwd in ((Path("~/runs"), Path("/here")), (Path("runs"), PACKAGE)):
        with pytest.raises(BadRun, match=r"^runs: .*; set HOME, OARS_HOME, or runs"):
            resolve_runs(runs, cwd, {})
