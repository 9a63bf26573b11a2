"""`oars experiment` takes what is there by its settings, and begins the rest with them."""

import subprocess
from pathlib import Path

import pytest
from command_line import fails_with, runner

from oars.config import load_profile
from oars.deployment import deploy_path
from oars.report.summary import Summary, write_summary
from services.cli.main import app
from services.run.beginning import begin_run

SHORT = "stages.fr_rl.steps=3"
"""An override of every arm."""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "e.yaml"
    arms = "{plain: [], wide: [rollout.candidates=4]}"
    path.write_text(f"question: which?\ncommon: [{SHORT}]\narms: {arms}\nexpected: {{psnr: up}}\n")
    return str(path)


def run_of(runs: Path, run_id: str, *overrides: str) -> None:
    """One that has succeeded; it was told another folder of runs."""
    profile = load_profile(deploy_path(), ["runs=elsewhere", *overrides])
    directory = begin_run(profile.model_copy(update={"runs": runs}), run_id)
    write_summary(Summary(run_id=run_id, name="n", status="succeeded", started_at=""), directory)


def all_of(runs: Path, *common: str) -> None:
    for seed in range(3):
        run_of(runs, f"mine-{seed}", *common, f"seed={seed}")
        run_of(runs, f"e-wide-{seed}", *common, f"seed={seed}", "rollout.candidates=4")


def test_a_run_with_an_arms_settings_is_taken_whatever_its_name(file: str, tmp_path: Path) -> None:
    all_of(tmp_path / "runs", SHORT)
    result = runner.invoke(app, ["experiment", file, "--runs", str(tmp_path / "runs")])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "runs" / "e.md").read_text()
    assert "6 of 6 runs" in page and "mine-0, mine-1, mine-2" in page


def test_a_run_with_other_settings_is_none_of_the_arm(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_of(tmp_path / "runs", SHORT)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # whose machines have the photos
    begun: list[list[str]] = []

    def fail(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        begun.append(command)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", fail)
    line = fails_with("experiment", file, "--runs", str(tmp_path / "runs"), "--set", "stages.nr_rl.steps=5")
    assert "e-plain-0: exit code 1" in line
    assert begun[0][-8:-4] == ["--set", SHORT, "--set", "stages.nr_rl.steps=5"]
