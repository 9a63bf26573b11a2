"""`oars serve`: COMPASS as a Ray Serve application, in a cluster that runs or in one of its own.

In a cluster that it joined, the application stays when the command returns. A cluster of its own ends with the command.
`oars serve` alone deploys; its sub-commands act on what is deployed.
"""

import threading
from pathlib import Path
from typing import Annotated

import typer

from oars.config import load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path
from services.serving import check_judge, deploy, door_url

app = typer.Typer(help="Deploy COMPASS, or act on the one that is deployed.")


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    profile: Annotated[
        Path | None, typer.Option(help="Run profile, YAML; its `judge` is served. Default: tiny.")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="Judge directory, in place of the profile's.")] = None,
    address: Annotated[
        str, typer.Option(envvar="RAY_ADDRESS", help="Cluster to join. Default: the one on this machine, or a new one.")
    ] = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Start a cluster even if one runs on this machine.")] = False,
) -> None:
    """Deploy COMPASS, wait until it is warm, and say where it listens."""
    if context.invoked_subcommand is not None:
        return
    overrides = None if judge is None else [f"judge.path={judge}"]
    config = load_profile(profile or deploy_path(DEFAULT_PROFILE), overrides)
    check_judge(config.judge)

    # Ray takes a second to import: after the input is known to be good.
    from services.cluster import cluster, needed_cpus

    with cluster(needed_cpus(config), None if fresh else address, config.control.start_deadline_s) as joined:
        deploy(config.judge, config.reward.app, door=True)
        typer.echo(f"COMPASS is ready: application {config.reward.app!r}, POST {door_url()}/v1/score")
        if joined.own:
            typer.echo("Ctrl-C ends it, and the cluster that was started for it")
            _wait_for_interrupt()


def _wait_for_interrupt() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("stopping")
