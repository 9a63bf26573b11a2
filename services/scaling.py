"""Changes COMPASS while it serves: how many replicas, and which judge. No request fails on the way.

A deployment's version says whether replicas have to start anew. Serve draws a random one for each imperative
deployment; ours is made of what decides a score, so that a change of numbers alone leaves the replicas as they are.
"""

import hashlib
from typing import Any

import ray
from ray import serve

from oars.config import JudgeConfig
from reward_server.errors import NoCompass
from reward_server.statistics import ReplicaReport

_REPORT_S = 30.0


def version_of(judge: JudgeConfig, judge_digest: str) -> str:
    """Of a deployment: equal for the same judge under the same settings."""
    return hashlib.sha256(f"{judge_digest} {judge.model_dump_json()}".encode()).hexdigest()[:16]


def reports(app: str) -> list[ReplicaReport]:
    """Of every replica that runs. Raises NoCompass."""
    if app not in serve.status().applications:
        raise NoCompass(f"Serve application {app!r} is not deployed; deploy it with `oars serve`")
    handle: Any = serve.get_app_handle(app)
    return list(handle.broadcast("report").results(timeout_s=_REPORT_S))
