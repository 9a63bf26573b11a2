"""`oars serve`: COMPASS as a Ray Serve application, in a cluster that runs or in one of its own.

In a cluster that it joined, the application stays when the command returns. A cluster of its own ends with the command.
"""

import logging
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from oars.config import JudgeConfig, load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path
from reward_server.errors import BadJudge

SERVE_CONFIG = "serve/compass.yaml"


def serve(
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


def deploy(judge: JudgeConfig, app: str = "compass", door: bool = False) -> None:
    """Deploy or update the application in the cluster that this process is connected to; return when it is warm.

    `door` opens the HTTP port of deploy/serve/compass.yaml; without it only deployment handles reach COMPASS.
    Raises BadJudge with one line.
    """
    check_judge(judge)
    from ray import serve as ray_serve

    from reward_server.app import application

    config = _serve_config()
    options = {key: value for key, value in config["applications"][0]["deployments"][0].items() if key != "name"}
    location = config["proxy_location"] if door else "Disabled"
    # Serve reports its own steps at INFO.
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    ray_serve.start(proxy_location=location, http_options=config["http_options"])
    try:
        ray_serve.run(application(judge, **options), name=app, route_prefix="/" if door else None)
    except RuntimeError as error:
        raise BadJudge(f"judge {judge.path!r} cannot be served: {_reason(app, error)}") from error


def check_judge(judge: JudgeConfig) -> None:
    """Raises BadJudge if the judge is not on this machine: before a cluster is started for it."""
    from reward_server.checkpoint import judge_directory

    judge_directory(judge.path)


def door_url() -> str:
    """Where the HTTP door listens, on this machine."""
    options = _serve_config()["http_options"]
    return f"http://{options['host']}:{options['port']}"


def _serve_config() -> dict[str, Any]:
    return yaml.safe_load(deploy_path(SERVE_CONFIG).read_text())


def _reason(app: str, error: RuntimeError) -> str:
    """The last line of the traceback that the replica's constructor left in the application's status."""
    from ray import serve as ray_serve

    status = ray_serve.status().applications.get(app)
    messages = [deployment.message for deployment in status.deployments.values()] if status else []
    lines = [line.strip() for message in [str(error), *messages] for line in message.splitlines()]
    raised = [line for line in lines if "Error: " in line or "BadJudge: " in line]
    return (raised or lines)[-1]


def _wait_for_interrupt() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("stopping")
