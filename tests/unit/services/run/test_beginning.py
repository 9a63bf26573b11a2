"""A run begins once; the same command again goes on with it, and no run overwrites another."""

from pathlib import Path

import pytest
import yaml

from oars.config import RunConfig
from services.run.beginning import begin_run, existing_run
from services.run.run_directory import BadRun, find_run, list_runs


def test_a_new_run_holds_its_resolved_config(tmp_path: Path) -> None:
    config = RunConfig(runs=tmp_path, seed=7)
    directory = begin_run(config, "first")
    assert RunConfig.model_validate(yaml.safe_load((directory / "config.yaml").read_text())) == config
    assert list_runs(tmp_path) == [directory] and find_run(tmp_path, "first") == directory
    assert [path.name for path in tmp_path.iterdir()] == ["first"], "nothing is left beside it"


def test_the_same_command_again_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = RunConfig(runs=tmp_path)
    assert existing_run(config, "first") is None
    directory = begin_run(config, "first")
    written = (directory / "config.yaml").stat().st_mtime_ns
    assert begin_run(config, "first") == begin_run(RunConfig(runs=Path()), "first") == directory
    assert (directory / "config.yaml").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed: 0, not 1"),
        ({"labels": {"note": "x"}}, "labels.note: None, not 'x'"),
        ({"control": {"max_staleness": 3}}, "control.max_staleness: "),
        ({"data": {"photos": "wallpapers"}}, "data.photos: 'packages', not 'wallpapers'"),
    ],
)
def test_an_id_that_another_run_has_is_one_line_naming_the_field(
    changes: dict[str, object], named: str, tmp_path: Path
) -> None:
    begin_run(RunConfig(runs=tmp_path), "first")
    with pytest.raises(BadRun, match=f"^run 'first' exists with another {named}") as caught:
        begin_run(RunConfig.model_validate({"runs": tmp_path, **changes}), "first")
    assert "\n" not in str(caught.value)


def test_the_same_photos_may_be_named_in_two_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    relative, absolute = (
        RunConfig.model_validate({"runs": tmp_path / "runs", "data": {"photos": photos}})
        for photos in ("photos", str(tmp_path / "photos"))
    )
    assert begin_run(relative, "first") == begin_run(absolute, "first")


def test_a_command_that_died_while_it_made_the_directory_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / ".first.0123.partial").mkdir()
    (tmp_path / ".first.0123.partial" / "config.yaml").write_text("seed: 0\n")
    directory = begin_run(RunConfig(runs=tmp_path), "first")
    assert list_runs(tmp_path) == [directory]


def test_an_impossible_id_is_one_line(tmp_path: Path) -> None:
    for run_id in ("../escape", "my run", ""):
        with pytest.raises(BadRun, match="expected letters"):
            begin_run(RunConfig(runs=tmp_path), run_id)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(BadRun, match="exists and is no run"):
        begin_run(RunConfig(runs=tmp_path), "photos")


def test_a_runs_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRun, match="first: Not a directory"):
        begin_run(RunConfig(runs=tmp_path / "file"), "first")
