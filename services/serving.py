"""Deploys COMPASS into the cluster that this process is connected to, as deploy/serve/compass.yaml says."""

import logging
from typing import Any

import yaml

from oars.config import JudgeConfig
from oars.deployment import deploy_path
from reward_server.errors import BadJudge

SERVE_CONFIG = "serve/compass.yaml"


def deploy(judge: JudgeConfig, app: str = "compass", door: bool = False) -> None:
    """Deploy or update the application; return when it is warm.

    `door` opens the HTTP port of deploy/serve/compass.yaml; without it only deployment handles reach COMPASS.
    Raises BadJudge with one line.
    """
    check_judge(judge)
    from ray import serve as ray_serve

    from reward_server.app import application

    config = serve_config()
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
    options = serve_config()["http_options"]
    return f"http://{options['host']}:{options['port']}"


def serve_config() -> dict[str, Any]:
    return yaml.safe_load(deploy_path(SERVE_CONFIG).read_text())


def _reason(app: str, error: RuntimeError) -> str:
    """The last line of the traceback that the replica's constructor left in the application's status."""
    from ray import serve as ray_serve

    status = ray_serve.status().applications.get(app)
    messages = [deployment.message for deployment in status.deployments.values()] if status else []
    lines = [line.strip() for message in [str(error), *messages] for line in message.splitlines()]
    raised = [line for line in lines if "Error: " in line or "BadJudge: " in line]
    return (raised or lines)[-1]
