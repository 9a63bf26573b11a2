"""What a driver has left to do of the refresh, and which judge it has served."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_roles import Silent

from oars.compass.miniature.judge_model import build_judge
from oars.config import RunConfig
from oars.evaluation.refreshed import Refreshed, Standing
from services.control.judge_exchange import serve_judge
from services.reward_modeling.refresh_stage import refresh_judge
from services.run.ledger import Ledger
from services.run.progress import ProgressLine
from services.run.refreshed import refresh_files, refresh_folder
from services.run.run import Run
from services.run.stopping import StopRequest
from services.run.telemetry import Telemetry
from services.run.watchdog import Watchdog

STANDING = Standing(exaggerated_below=0.5, pairs_in_order=0.5, probes={})


class Exchanges(list[tuple[str, str, float]]):
    """Stands for `replace_judge`."""

    def __call__(self, app: str, path: str, deadline_s: float) -> None:
        self.append((app, path, deadline_s))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    config = RunConfig.model_validate({"stages": {"refresh": {}}, "control": {"start_deadline_s": 7}})
    ledger, telemetry = Ledger.drive(tmp_path / "ledger.sqlite"), Telemetry(tmp_path, "run", None)
    yield Run("run", tmp_path, config, ledger, telemetry, Watchdog(60), StopRequest(), Silent())
    telemetry.close()
    ledger.close()


def finish_refresh(run: Run) -> None:
    """As an earlier driver has left it."""
    files = refresh_files(refresh_folder(run.directory))
    build_judge(files.judge, seed=0)
    done = Refreshed(
        run="run", data_digest="d", steps=3, judge_before="a", judge_after="b", before=STANDING, after=STANDING
    )
    (files.work / "refresh.json").write_text(done.model_dump_json())


def test_nothing_is_trained_where_rl_is_over_or_a_stop_is_requested(run: Run) -> None:
    exchanges = Exchanges()
    asyncio.run(refresh_judge(run, True, exchanges))
    run.stop.request("SIGTERM received", 143)
    asyncio.run(refresh_judge(run, False, exchanges))
    assert exchanges == [] and not refresh_folder(run.directory).exists() and run.stages == []


def test_a_refresh_that_is_done_is_noted_and_not_done_again(run: Run) -> None:
    finish_refresh(run)
    exchanges = Exchanges()
    asyncio.run(refresh_judge(run, False, exchanges))
    assert exchanges == [] and [(stage.name, stage.steps) for stage in run.stages] == [("refresh", 3)]


def test_a_line_of_progress_is_a_sign_of_life(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long all of it takes: the watchdog counts from the last line."""
    alive: list[bool] = []

    async def refreshed(*arguments: Any) -> Refreshed:
        run.watchdog.waits.last_progress = -1e9
        arguments[-1].update(ProgressLine("measure", 1, 2))
        alive.append(run.watchdog.waits.last_progress > 0)
        finish_refresh(run)
        return Refreshed.model_validate_json((refresh_folder(run.directory) / "refresh.json").read_text())

    monkeypatch.setattr("services.reward_modeling.refresh.refresh", refreshed)
    asyncio.run(refresh_judge(run, False, Exchanges()))
    assert alive == [True]


def test_the_refreshed_judge_is_served_by_the_runs_application(run: Run) -> None:
    finish_refresh(run)
    exchanges = Exchanges()
    asyncio.run(serve_judge(run, exchanges))
    assert exchanges == [("compass", str(run.directory / "refresh" / "judge"), 7.0)]
