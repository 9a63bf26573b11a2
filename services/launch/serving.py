"""Deploys COMPASS and its gateways into the cluster that this process is connected to: deploy/serve/compass.yaml."""

import hashlib
import os
import socket
import time
from contextlib import suppress
from typing import Any

import yaml
from pydantic import ValidationError

from oars.compass.prompt import NEWEST
from oars.config import BadConfig, GatewayConfig, JudgeConfig
from oars.deployment import deploy_path
from oars.files import sha256
from reward_server.errors import BadJudge, BadSetting
from reward_server.schema import API_VERSION

SERVE_CONFIG = "serve/compass.yaml"
GATEWAY_APP = "compass-gateway"
START_DEADLINE_S = 600.0
"""Seconds that an application may take to run where no config says so; the same as `control.start_deadline_s`."""
_LOOK_EVERY_S = 0.1
_PORTS_S = 30.0
_PROBE_S = 1.0
JUDGE, _DOOR = "Compass", "CompassGateway"  # deployments
# What replicas raise for a reason that is the user's to mend.
_MENDABLE = ("BadJudge: ", "BadSetting: ")


def deploy(judge: JudgeConfig, app: str = "compass", deadline_s: float = START_DEADLINE_S) -> None:
    """Deploy or update the judge's application; return when it is warm. Deployment handles reach it, nobody else.

    Replicas that hold this very judge, under these settings, stay. Raises BadJudge with one line, also where it is not
    warm within `deadline_s` seconds.
    """
    from reward_server.checkpoint import judge_identity

    redeploy(judge, judge_identity(judge), app, deadline_s=deadline_s)


def redeploy(
    judge: JudgeConfig,
    digest: str,
    app: str,
    min_replicas: int | None = None,
    max_replicas: int | None = None,
    deadline_s: float = START_DEADLINE_S,
) -> None:
    """The same for a judge that need not lie on this machine; `min_replicas` and `max_replicas` replace the file's
    replicas.

    Raises BadJudge with one line.
    """
    from reward_server.app import application

    options = _options(JUDGE)
    bounds = {"min_replicas": min_replicas, "max_replicas": max_replicas}
    options["autoscaling_config"] |= {name: value for name, value in bounds.items() if value is not None}
    try:
        _run(application(judge, version_of(judge, digest), **options), app, deadline_s)
    except TimeoutError as error:
        raise BadJudge(f"judge {judge.path!r} cannot be served: {error}: {_wanted(judge)}; {_there()}") from error
    except RuntimeError as error:
        raise BadJudge(f"judge {judge.class_path or judge.path!r} cannot be served: {_reason(app, error)}") from error


def version_of(judge: JudgeConfig, digest: str) -> str:
    """Version of a deployment: a digest of everything that defines its replicas. Serve restarts them when it
    changes."""
    calibration = sha256(judge.calibration) if judge.calibration and judge.calibration.is_file() else None
    parts = API_VERSION, NEWEST.name, digest, calibration, judge.model_dump_json()
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def deploy_gateway(config: GatewayConfig) -> tuple[int | None, int | None]:
    """Open COMPASS to callers outside the cluster; returns the HTTP and the gRPC port. Raises BadSetting."""
    check_gateway(config)
    from reward_server.gateway.app import application

    try:
        handle = _run(application(config, **_options(_DOOR)), GATEWAY_APP, START_DEADLINE_S)
    except TimeoutError as error:
        raise BadSetting(f"the gateway cannot be opened: {error}; {_there()}") from error
    except RuntimeError as error:
        raise BadSetting(f"the gateway cannot be opened: {_reason(GATEWAY_APP, error)}") from error
    return handle.ports.remote().result(timeout_s=_PORTS_S)


def check_gateway(config: GatewayConfig) -> None:
    """Raises BadSetting: before a cluster is started for it."""
    from reward_server.gateway.gateway import check_settings

    check_settings(config, os.environ)


def check_ports_free(config: GatewayConfig) -> None:
    """Raises BadSetting if the port is in use: a gateway would share the port with it, and the callers too."""
    for field in ("http_port", "grpc_port"):
        port = getattr(config, field)
        if port:
            with suppress(OSError), socket.create_connection((config.host, port), _PROBE_S):
                raise BadSetting(f"{field}: another process listens at {config.host}:{port}")


def gateway_config(**overrides: Any) -> GatewayConfig:
    """The gateway of deploy/serve/compass.yaml, with other values where they are not None. Raises BadConfig."""
    [args] = [app["args"] for app in serve_config()["applications"] if app["name"] == GATEWAY_APP]
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return GatewayConfig.model_validate(args | given)
    except ValidationError as error:
        raise BadConfig("; ".join(entry["msg"] for entry in error.errors())) from error


def endpoints(config: GatewayConfig, ports: tuple[int | None, int | None]) -> list[str]:
    """The `endpoint` by which a client reaches the gateways at these ports."""
    secure = "s" if config.certificate else ""
    listening = zip(("http", "grpc"), ports, strict=True)
    host = f"[{config.host}]" if ":" in config.host else config.host
    return [f"{scheme}{secure}://{host}:{port}" for scheme, port in listening if port is not None]


def local_endpoint() -> str:
    """Address on this machine of the gateway in deploy/serve/compass.yaml."""
    config = gateway_config()
    return endpoints(config, (config.http_port, config.grpc_port))[0]


def serve_config() -> dict[str, Any]:
    return yaml.safe_load(deploy_path(SERVE_CONFIG).read_text())


def _options(name: str) -> dict[str, Any]:
    """Settings of one deployment in deploy/serve/compass.yaml."""
    deployments = [deployment for app in serve_config()["applications"] for deployment in app["deployments"]]
    [options] = [deployment for deployment in deployments if deployment["name"] == name]
    return {key: value for key, value in options.items() if key != "name"}


def _run(application: Any, name: str, deadline_s: float) -> Any:
    """The application's handle, once it runs.

    Raises RuntimeError if it fails, and TimeoutError if it does not run in time; one that is new is then taken away.
    """
    from ray import serve

    serve.start(proxy_location=serve_config()["proxy_location"])
    new, deadline = name not in serve.status().applications, time.monotonic() + deadline_s
    target = serve.RunTarget(application, name=name, route_prefix=None)
    [handle] = serve.run_many([target], wait_for_applications_running=False)
    while (now := serve.status().applications[name]).status != "RUNNING":
        if now.status == "DEPLOY_FAILED":
            raise RuntimeError(f"Deploying application {name} failed: {now.message}")
        if time.monotonic() > deadline:
            if new:
                serve.delete(name)
            raise TimeoutError(f"application {name!r} does not run after {deadline_s:.0f} s")
        time.sleep(_LOOK_EVERY_S)
    return handle


def _wanted(judge: JudgeConfig) -> str:
    """Resources that each replica reserves."""
    resources = judge.resources
    amounts = list(judge.placement_group_bundles) or {"CPU": resources.num_cpus, "GPU": resources.num_gpus}
    where = f" on nodes with {resources.label_selector}" if resources.label_selector else ""
    return f"wanted {amounts}{where}"


def _there() -> str:
    import ray

    return f"there is {ray.cluster_resources()}, of it free {ray.available_resources()}"


def _reason(app: str, error: RuntimeError) -> str:
    """The last line of the traceback that the replica's constructor left in the application's status."""
    from ray import serve

    status = serve.status().applications.get(app)
    messages = [deployment.message for deployment in status.deployments.values()] if status else []
    lines = [line.strip() for message in [str(error), *messages] for line in message.splitlines()]
    raised = [line for line in lines if "Error: " in line or any(kind in line for kind in _MENDABLE)]
    return (raised or lines)[-1]
