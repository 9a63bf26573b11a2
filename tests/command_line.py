"""The `oars` command in this process."""

from typer.testing import CliRunner

from services.cli.main import app

runner = CliRunner()


def fails_with(*arguments: str) -> str:
    """The one line of an error that is the user's to mend."""
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.output
    return lines[0]
