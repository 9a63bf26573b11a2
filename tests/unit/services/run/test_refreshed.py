"""Which judge a run has served: its config's own until the refresh is done, then the refreshed one."""

from pathlib import Path

import pytest

from oars.config import JudgeConfig, RunConfig
from oars.evaluation.refreshed import Refreshed, Standing
from services.run.refreshed import judge_of, read_refreshed, refresh_files, refresh_folder
from services.run.run_directory import BadRun

OWN = {"path": "/models/judge", "calibration": "/models/calibration.json", "max_num_seqs": 8}
STANDING = Standing(exaggerated_below=0.5, pairs_in_order=None, probes={})
DONE = Refreshed(run="r", data_digest="d", steps=2, judge_before="a", judge_after="b", before=STANDING, after=STANDING)


def config(**stages: object) -> RunConfig:
    return RunConfig.model_validate({"judge": OWN, "stages": stages})


def leave_report(run: Path) -> None:
    refresh_folder(run).mkdir()
    (refresh_folder(run) / "refresh.json").write_text(DONE.model_dump_json())


def test_before_the_refresh_is_done_the_judge_is_the_configs_own(tmp_path: Path) -> None:
    refresh_files(refresh_folder(tmp_path)).judge.mkdir(parents=True)  # the training has begun, and was killed
    assert judge_of(config(refresh={}), tmp_path) == JudgeConfig.model_validate(OWN)


def test_once_it_is_done_the_judge_is_the_refreshed_one_under_the_same_settings(tmp_path: Path) -> None:
    leave_report(tmp_path)
    assert read_refreshed(config(refresh={}), tmp_path) == DONE
    wanted = {"path": str(tmp_path / "refresh" / "judge"), "max_num_seqs": 8}
    assert judge_of(config(refresh={}), tmp_path) == JudgeConfig.model_validate(wanted)


def test_a_refresh_by_hand_does_not_change_the_judge_of_a_run_that_has_none(tmp_path: Path) -> None:
    leave_report(tmp_path)
    assert judge_of(config(), tmp_path) == JudgeConfig.model_validate(OWN)


def test_a_report_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    leave_report(tmp_path)
    (refresh_folder(tmp_path) / "refresh.json").write_text('{"run": "r"}')
    with pytest.raises(BadRun, match=r"refresh\.json: data_digest: "):
        judge_of(config(refresh={}), tmp_path)
