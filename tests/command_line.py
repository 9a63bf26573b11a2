"""The `oars` command in this process, and a run for it."""

import shutil
from pathlib import Path

from typer.testing import CliRunner

from oars.miniature import miniature_path
from services.cli.main import app

runner = CliRunner()


def fails_with(*arguments: str) -> str:
    """The one line of an error that is the user's to mend."""
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.output
    return lines[0]


def with_aligned_weights(run: Path) -> Path:
    """The same run; its policy is the miniature."""
    shutil.copytree(miniature_path("generator") / "transformer", run / "aligned")
    return run
