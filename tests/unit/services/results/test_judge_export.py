"""An exported judge: the files of the judge, and a card."""

from pathlib import Path

from typer.testing import CliRunner

from oars.miniature import miniature_path
from reward_server.checkpoint import judge_digest
from services.cli.main import app


def test_an_exported_judge_keeps_its_digest_and_has_a_card(tmp_path: Path) -> None:
    out = tmp_path / "judge"
    command = ["export", "--judge", "miniature", "--out", str(out)]
    assert CliRunner().invoke(app, command).exit_code == 0
    digest = judge_digest(miniature_path("judge"))
    assert judge_digest(out) == digest
    card = (out / "README.md").read_text()
    assert digest in card and "license: apache-2.0" in card and "| accuracy | 0.683" in card
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2 and "exists already" in again.stderr


def test_either_a_run_or_a_judge_is_exported() -> None:
    assert CliRunner().invoke(app, ["export"]).exit_code == 2
    assert CliRunner().invoke(app, ["export", "r1", "--judge", "miniature"]).exit_code == 2
