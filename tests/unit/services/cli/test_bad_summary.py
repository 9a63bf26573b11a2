"""A summary that cannot be read costs its run's line, and one line of each command that needs it; nothing else."""

from pathlib import Path

import pytest
from command_line import fails_with, runner, with_aligned_weights

from oars.config import load_profile
from oars.deployment import deploy_path
from oars.report.summary import Summary, write_summary
from services.cli.main import app
from services.run.beginning import begin_run
from services.run.ledger import Ledger

BAD = "e-other-2"
"""By its settings also a run of the experiment `e`, as the good one is."""
CONTENTS = {
    "empty": (b"", "EOF"),
    "cut short": (b'{"run_id": "bad"', "EOF"),
    "no object": (b"[]", "object"),
    "no text": (b"\xff\xfe{}", "Invalid JSON"),
    "a newer version": (None, "from_a_newer_version"),
}


def whole_run(runs: Path, run_id: str) -> Path:
    """A run with a group in its ledger, aligned weights and a summary; returns the last one's file."""
    directory = begin_run(load_profile(deploy_path(), [f"runs={runs}"]), run_id)
    ledger = Ledger.drive(directory / "ledger.sqlite")
    ledger.admit("a1", 0, "fr_rl", 0, "photo", seed=1, version=0)
    ledger.close()
    with_aligned_weights(directory)
    return write_summary(Summary(run_id=run_id, name="n", status="stopped", started_at=""), directory)


@pytest.fixture(params=CONTENTS)
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """The file of a bad run, beside a good one, and a word of what is wrong with it."""
    whole_run(tmp_path, "good")
    path, (content, why) = whole_run(tmp_path, BAD), CONTENTS[request.param]
    newer = path.read_bytes().replace(b"{", b'{"from_a_newer_version": 1,', 1)
    path.write_bytes(newer if content is None else content)
    return path, why


def test_one_bad_run_does_not_hide_the_others(bad: tuple[Path, str], tmp_path: Path) -> None:
    listed = runner.invoke(app, ["runs", "list", "--runs", str(tmp_path)])
    assert listed.exit_code == 0 and "good" in listed.output and "unreadable:" in listed.output


def test_what_needs_the_summary_says_what_is_wrong_with_it(bad: tuple[Path, str], tmp_path: Path) -> None:
    path, why = bad
    runs, out = ["--runs", str(tmp_path)], ["--out", str(tmp_path / "out")]
    experiment = tmp_path / "e.yaml"
    experiment.write_text("question: which?\narms: {plain: [], other: []}\nexpected: {reward: up}\n")
    for command in (
        ["runs", "show", BAD, *runs],
        ["runs", "check", BAD, *runs],
        ["report", BAD, *runs],
        ["report", BAD, *runs, *out],
        ["export", BAD, *runs, *out],
        ["align", "--run-id", BAD, "--set", f"runs={tmp_path}"],
        ["experiment", str(experiment), *runs],
    ):
        line = fails_with(*command)
        assert str(path) in line and why in line, command
    assert not (tmp_path / "out").exists()


def test_what_does_not_need_it_goes_on(bad: tuple[Path, str], tmp_path: Path) -> None:
    runs = ["--runs", str(tmp_path)]
    group = runner.invoke(app, ["runs", "show", BAD, "--group", "a1", *runs])
    assert group.exit_code == 0 and "admitted" in group.output
    assert "ghost.png" in fails_with("upscale", str(tmp_path / "ghost.png"), "--run", BAD, *runs)
    assert "no samples" in fails_with("study", "make", str(tmp_path / "study"), "--run", BAD, *runs)
