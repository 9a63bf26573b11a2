"""The alignment job on a real cluster: every stage with every real component; stopped, killed, resumed."""

import signal
from pathlib import Path

import ray
from alignment_job import DEADLINE_S, finished, profile, start, versions, wait_for, whole
from ledgers import accounted_for
from served_judge import compass, sharp_judge

from oars.report.summary import read_summary

__all__ = ["compass", "profile", "sharp_judge", "whole"]  # fixtures


def test_every_stage_with_every_real_component(whole: Path) -> None:
    summary = read_summary(whole)
    assert summary.status == "succeeded" and summary.versions_published == 5
    assert [stage.steps for stage in summary.stages] == [2, 2, 2]
    assert summary.groups.trained == 8 and summary.groups.in_flight == summary.staleness.max == 0
    assert set(summary.held_out) == {"bicubic", "base", "sft", "aligned"}
    assert {"reward", "fidelity", "q_sr", "psnr", "stlpips", "niqe32"} <= set(summary.held_out["aligned"].metrics)
    assert "reward" in summary.paired["aligned-sft"]
    accounted_for(whole)
    for name in ("config.yaml", "metrics.jsonl", "log.jsonl", "report.html", "samples/index.json"):
        assert (whole / name).stat().st_size > 0
    assert list((whole / "tensorboard").iterdir()) and (whole / "checkpoints" / "step_4").is_dir()
    assert list((whole / "experience").iterdir()) == []


def test_a_run_that_was_stopped_killed_and_resumed_ends_with_the_same_weights(profile: Path, whole: Path) -> None:
    run = profile.parent / "runs" / "broken"
    driver = start("--profile", str(profile), "--run-id", "broken")
    wait_for(driver, run, '"fr_rl"', "metrics.jsonl")
    driver.send_signal(signal.SIGTERM)
    output, _ = driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode == 128 + signal.SIGTERM, output
    summary = read_summary(run)
    assert summary.status == "stopped" and "SIGTERM" in summary.reason
    assert (run / "checkpoints" / f"step_{summary.stages[1].steps}").is_dir()
    accounted_for(run, final=False)
    assert not [actor for actor in ray.util.list_named_actors(all_namespaces=True) if actor["namespace"] == "broken"]

    driver = start("--resume", str(run))
    wait_for(driver, run, '"nr_rl"', "metrics.jsonl")
    driver.kill()
    driver.communicate()
    accounted_for(run, final=False)

    finished(start("--resume", str(run)))
    accounted_for(run)
    assert versions(run) == versions(whole)
    for weights in sorted((whole / "aligned").glob("*.safetensors")):
        assert (run / "aligned" / weights.name).read_bytes() == weights.read_bytes()


def test_an_absent_judge_is_one_line(profile: Path) -> None:
    driver = start("--profile", str(profile), "--set", "reward.app=nobody")
    output, _ = driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode == 2
    assert "Serve application 'nobody': not deployed" in output and "Traceback" not in output
