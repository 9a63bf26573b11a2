"""Where runs are kept, and that no run overwrites another."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from oars.config import RunConfig
from services.run.run_directory import BadRun, claimed, create_run, find_run, list_runs, new_run_id, resolve_runs

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


def test_a_new_run_holds_its_resolved_config(tmp_path: Path) -> None:
    config = RunConfig(runs=tmp_path, seed=7)
    directory = create_run(config, "first")
    assert RunConfig.model_validate(yaml.safe_load((directory / "config.yaml").read_text())) == config
    assert list_runs(tmp_path) == [directory] and find_run(tmp_path, "first") == directory


def test_a_taken_or_impossible_id_is_one_line(tmp_path: Path) -> None:
    create_run(RunConfig(runs=tmp_path), "first")
    with pytest.raises(BadRun, match="'first' exists"):
        create_run(RunConfig(runs=tmp_path), "first")
    with pytest.raises(BadRun, match="expected letters"):
        create_run(RunConfig(runs=tmp_path), "../escape")
    with pytest.raises(BadRun, match="no run 'ghost'"):
        find_run(tmp_path, "ghost")


def test_a_runs_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRun, match="cannot be created"):
        create_run(RunConfig(runs=tmp_path / "file"), "first")


def test_run_ids_sort_by_time() -> None:
    assert new_run_id("tiny", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "tiny-20260102-030405"


def test_a_run_has_one_driver_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path), pytest.raises(BadRun, match="driven by another process"), claimed(tmp_path):
        raise AssertionError("two drivers")
    with claimed(tmp_path):
        pass
