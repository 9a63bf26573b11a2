"""`stages.refresh` on a real cluster: NR-RL is judged by the judge that learned FR-RL's pictures, whoever kills the
driver, and whichever judge is served when the next one comes."""

from pathlib import Path

import pytest
import yaml
from alignment_job import asked, finished, start, wait_for, write_profile
from ledgers import accounted_for
from served_judge import exchange, exchanged_config, sharp_judge

from oars.config import RewardClientConfig
from oars.report.summary import read_summary
from reward_server.checkpoint import judge_digest
from services.launch.scaling import reports
from services.launch.serving import deploy

pytestmark = pytest.mark.engine

__all__ = ["exchange", "sharp_judge"]  # fixtures
TRAINING = {
    "steps": 2,
    "evaluate_every": 1,
    "validation_groups": 1,
    "batch_groups": 2,
    "micro_batch": 1,
    "candidates": 2,
    "dtype": "float32",
}
JUDGES = "SELECT DISTINCT stage || ' ' || json_extract(provenance, '$.judge_digest') FROM scorings JOIN groups "


@pytest.fixture
def refreshing(exchange: RewardClientConfig, sharp_judge: Path, tmp_path: Path) -> Path:
    """A profile with a refresh, on an application that serves the judge of the config."""
    training = tmp_path / "training.yaml"
    training.write_text(yaml.safe_dump(TRAINING))
    deploy(exchanged_config(sharp_judge), exchange.app)
    return write_profile(
        tmp_path,
        sharp_judge,
        reward={"app": exchange.app},
        data={"shown_crops": 0},
        stages={"refresh": {"training": str(training)}},
    )


def served(app: str) -> set[str]:
    return {report.judge_digest for report in reports(app)}


def test_the_refreshed_judge_serves_nr_rl_and_every_driver_after_it(
    refreshing: Path, exchange: RewardClientConfig, sharp_judge: Path
) -> None:
    run = refreshing.parent / "runs" / "refreshed"
    driver = start("--profile", str(refreshing), "--run-id", "refreshed")
    wait_for(driver, run, '"refresh"', "log.jsonl")  # labels or training under way
    driver.kill()
    driver.communicate()
    assert not (run / "refresh" / "refresh.json").exists()

    driver = start("--resume", str(run))
    wait_for(driver, run, '"nr_rl"', "metrics.jsonl")
    driver.kill()
    driver.communicate()
    accounted_for(run, final=False)
    old, new = judge_digest(sharp_judge), judge_digest(run / "refresh" / "judge")
    assert old != new and served(exchange.app) == {new}
    done = (run / "refresh" / "refresh.json").read_bytes()

    deploy(exchanged_config(sharp_judge), exchange.app)  # as the next local cluster of `oars align --resume` does
    finished(start("--resume", str(run)))
    accounted_for(run)
    assert served(exchange.app) == {new} and (run / "refresh" / "refresh.json").read_bytes() == done
    assert set(asked(run, JUDGES + "USING (group_id)")) == {f"fr_rl {old}", f"nr_rl {new}"}
    summary = read_summary(run)
    assert summary.status == "succeeded" and summary.judge["judge_digest"] == new
    assert [stage.name for stage in summary.stages] == ["cold_start", "fr_rl", "refresh", "nr_rl"]
    assert summary.refresh is not None and (summary.refresh.judge_before, summary.refresh.judge_after) == (old, new)
    assert "The judge's refresh" in (run / "report.html").read_text()
