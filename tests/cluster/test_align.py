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
from served_judge import compass, sharp_judge
from tiny import build_tiny, tiny_config

from oars.compass.judge_files import JUDGE_LABELS
from reward_server.client import CompassClient
from services.ledger import Ledger
from services.summary import read_summary

__all__ = ["compass", "sharp_judge"]  # fixtures

DEADLINE_S = 400


@pytest.fixture
def profile(compass: CompassClient, sharp_judge: Path, tmp_path: Path) -> Path:
    """Two steps a stage on the tiny generator; the judge is the one that is served."""
    # The scale of the fidelity labels lies with the judge; a copy, because the served one's digest counts every file.
    judge = shutil.copytree(sharp_judge, tmp_path / "judge")
    (judge / JUDGE_LABELS).write_text(json.dumps({"stlpips": 1.5, "structure": 1.5, "colour": 60.0, "jod": 2.0}))
    config = tiny_config(
        build_tiny(tmp_path / "generator"),
        runs=str(tmp_path / "runs"),
        data={"crop": 64, "evaluation_crop": 96, "evaluation_crops": 2},
        stages={
            "cold_start": {"steps": 2, "batch": 2},
            "fr_rl": {"steps": 2, "groups": 2},
            "nr_rl": {"steps": 2, "groups": 2},
        },
        judge={"path": str(judge)},
    )
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return path


def start(profile: Path, *arguments: str) -> subprocess.Popen[str]:
    """The driver, as `ray job submit` would start it."""
    command = [sys.executable, "-m", "services.align", "--profile", str(profile), *arguments]
    environment = os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_every_stage_with_every_real_component(profile: Path) -> None:
    driver = start(profile, "--run-id", "whole")
    output, _ = driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode == 0, output
    run = profile.parent / "runs" / "whole"
    summary = read_summary(run)
    assert summary.status == "succeeded" and summary.versions_published == 5
    assert [stage.steps for stage in summary.stages] == [2, 2, 2]
    assert summary.groups.trained == 8 and summary.staleness.max <= 1
    assert set(summary.held_out) == {"bicubic", "base", "sft", "aligned"}
    assert {"reward", "fidelity", "q_sr", "psnr", "stlpips", "niqe"} <= set(summary.held_out["aligned"].metrics)
    assert "reward" in summary.paired["aligned-sft"]
    assert Ledger(run / "ledger.sqlite").violations(final=True) == []
    for name in ("config.yaml", "metrics.jsonl", "log.jsonl", "report.html", "samples/index.json"):
        assert (run / name).stat().st_size > 0
    assert list((run / "tensorboard").iterdir()) and (run / "checkpoints" / "step_4").is_dir()


def test_sigterm_ends_the_run_at_a_step_boundary_with_a_checkpoint(profile: Path) -> None:
    driver = start(profile, "--run-id", "stopped", "--set", "stages.fr_rl.steps=1000")
    run = profile.parent / "runs" / "stopped"
    deadline = time.monotonic() + DEADLINE_S
    while '"fr_rl"' not in _read(run / "metrics.jsonl"):
        assert driver.poll() is None and time.monotonic() < deadline, _read(run / "log.jsonl")
        time.sleep(0.5)
    driver.send_signal(signal.SIGTERM)
    output, _ = driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode == 128 + signal.SIGTERM, output
    summary = read_summary(run)
    assert summary.status == "stopped" and "SIGTERM" in summary.reason
    assert (run / "checkpoints" / f"step_{summary.stages[1].steps}").is_dir()
    assert Ledger(run / "ledger.sqlite").violations() == []
    assert not [actor for actor in ray.util.list_named_actors(all_namespaces=True) if actor["namespace"] == "stopped"]


def test_an_absent_judge_is_one_line(profile: Path) -> None:
    driver = start(profile, "--set", "reward.app=nobody")
    output, _ = driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode == 2
    assert "Serve application 'nobody': not deployed" in output and "Traceback" not in output


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
