"""Changes COMPASS while it serves: how many replicas, and which judge. No request fails on the way.

A new number of replicas leaves those that stay as they are. A new judge is warm in its own replicas before the old ones
finish what they have and leave (`max_surge_percent` in deploy/serve/compass.yaml); a group is one request to one
replica, so no group is judged by two judges, and each answer names the digest of its own.
"""

from typing import Any

from reward_server.checkpoint import judge_identity
from reward_server.compat.ray import serve_details
from reward_server.errors import NoCompass
from reward_server.statistics import ReplicaReport
from services.launch.serving import JUDGE, START_DEADLINE_S, redeploy

_REPORT_S = 30.0


def reports(app: str) -> list[ReplicaReport]:
    """Statistics of every replica that answers. Raises NoCompass if there is none."""
    from ray import serve
    from ray.serve.exceptions import DeploymentUnavailableError, RayServeException

    try:
        handle: Any = serve.get_app_handle(app)
    except RayServeException as error:  # no Serve, no such application, or one whose deployments are still to come
        raise NoCompass(f"Serve application {app!r} is not deployed (yet); deploy it with `oars serve`") from error
    try:
        answers = handle.broadcast("report").results(timeout_s=_REPORT_S, return_exceptions=True)
    except DeploymentUnavailableError:  # its only replica died, and the next one has not come
        answers = []
    found = [answer for answer in answers if isinstance(answer, ReplicaReport)]
    if not found:
        raise NoCompass(f"Serve application {app!r} has no replica that answers; look at `serve status`")
    return found


def scale(app: str, min_replicas: int, max_replicas: int) -> None:
    """Let the number of replicas vary from `min_replicas` to `max_replicas`; returns when at least `min_replicas` are
    warm.

    Raises NoCompass.
    """
    judge = reports(app)[0]
    redeploy(judge.judge, judge.judge_digest, app, min_replicas, max_replicas)


def replace_judge(app: str, path: str, deadline_s: float = START_DEADLINE_S) -> None:
    """Serve the judge of this directory (or `miniature`) under the settings, and with the bounds, of the present one;
    returns when no replica has the old judge. Raises NoCompass, BadJudge, also after `deadline_s` seconds."""
    judge = reports(app)[0].judge.model_copy(
        update={"path": path, "calibration": None, "class_path": None, "init_args": {}}
    )
    redeploy(judge, judge_identity(judge), app, *_bounds(app), deadline_s)


def _bounds(app: str) -> tuple[int, int]:
    """Minimum and maximum of replicas, as deployed."""
    deployments = serve_details()["applications"][app]["deployments"]
    autoscaling = deployments[JUDGE]["deployment_config"]["autoscaling_config"]
    return autoscaling["min_replicas"], autoscaling["max_replicas"]
