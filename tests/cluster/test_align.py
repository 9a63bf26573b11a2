"""The alignment job on a real cluster: every stage with every real component, and a stop in the middle."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray
import yaml
from ledgers import accounted_for
from served_judge import compass, sharp_judge
from tiny import build_tiny, tiny_config

from oars.compass.judge_files import JUDGE_LABELS
from reward_server.client import CompassClient
from services.ledger import Ledger
from services.summary import read_summary

__all__ = ["compass", "sharp_judge"]  # fixtures

DEADLINE_S = 400


@pytest.fixture(scope="module")
def profile(compass: CompassClient, sharp_judge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synchronous steps a stage on the tiny generator; the judge is the one that is served."""
    folder = tmp_path_factory.mktemp("align")
    # The scale of the fidelity labels lies with the judge; a copy, because the served one's digest counts every file.
    judge = shutil.copytree(sharp_judge, folder / "judge")
    (judge / JUDGE_LABELS).write_text(json.dumps({"stlpips": 1.5, "structure": 1.5, "colour": 60.0, "jod": 2.0}))
    config = tiny_config(
        build_tiny(folder / "generator"),
        runs=str(folder / "runs"),
        data={"crop": 64, "evaluation_crop": 96, "evaluation_crops": 2},
        stages={
            "cold_start": {"steps": 2, "batch": 2},
            "fr_rl": {"steps": 2, "groups": 2},
            "nr_rl": {"steps": 2, "groups": 2},
        },
        judge={"path": str(judge)},
        control={"max_staleness": 0, "checkpoint_every": 2},
    )
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return path


def start(*arguments: str) -> subprocess.Popen[str]:
    """The driver, as `ray job submit` would start it."""
    command = [sys.executable, "-m", "services.align", *arguments]
    environment = os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(driver: subprocess.Popen[str], run: Path, text: str, file: str) -> None:
    """Until a file of the run says so."""
    deadline = time.monotonic() + DEADLINE_S
    while text not in _read(run / file):
        assert driver.poll() is None and time.monotonic() < deadline, _read(run / "log.jsonl")
        time.sleep(0.2)


@pytest.fixture(scope="module")
def whole(profile: Path) -> Path:
    """A run that nothing disturbed."""
    driver = start("--profile", str(profile), "--run-id", "whole")
    output, _ = driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode == 0, output
    return profile.parent / "runs" / "whole"


def test_every_stage_with_every_real_component(whole: Path) -> None:
    summary = read_summary(whole)
    assert summary.status == "succeeded" and summary.versions_published == 5
    assert [stage.steps for stage in summary.stages] == [2, 2, 2]
    assert summary.groups.trained == 8 and summary.groups.in_flight == summary.staleness.max == 0
    assert set(summary.held_out) == {"bicubic", "base", "sft", "aligned"}
    assert {"reward", "fidelity", "q_sr", "psnr", "stlpips", "niqe"} <= set(summary.held_out["aligned"].metrics)
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

    driver = start("--resume", str(run))
    output, _ = driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode == 0, output
    accounted_for(run)
    assert versions(run) == versions(whole)
    for weights in sorted((whole / "aligned").glob("*.safetensors")):
        assert (run / "aligned" / weights.name).read_bytes() == weights.read_bytes()


def versions(run: Path) -> list[tuple[int, str]]:
    """With the digest of each."""
    return [(number, Ledger(run / "ledger.sqlite").digest(number) or "") for number in range(5)]


def test_an_absent_judge_is_one_line(profile: Path) -> None:
    driver = start("--profile", str(profile), "--set", "reward.app=nobody")
    output, _ = driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode == 2
    assert "Serve application 'nobody': not deployed" in output and "Traceback" not in output


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
