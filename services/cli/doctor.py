"""`oars doctor`: the resolved config, and whether this machine has what it names."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import Set


def doctor(
    profile: Annotated[Path | None, typer.Option(help="Run profile, YAML. Default: tiny.")] = None,
    set_: Set = None,
) -> None:
    """Print the resolved config and check the environment; exit code 1 if something is missing."""
    import yaml

    from oars.config import load_profile
    from oars.deployment import DEFAULT_PROFILE, deploy_path
    from services.launch.checks import check_all

    config = load_profile(profile or deploy_path(DEFAULT_PROFILE), set_)
    typer.echo(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    findings = check_all(config)
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.ok else 'MISS'} {finding.what}: {finding.found}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)
