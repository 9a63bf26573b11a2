"""Private parts of Ray. `tests/unit/compat` fails with "ray changed X" when one of them goes."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import ray
from ray._common.utils import reset_ray_address
from ray._private.authentication.authentication_token_setup import (
    enable_token_auth_by_default,
    ensure_token_if_auth_enabled,
    maybe_enable_token_auth_if_token_available,
)
from ray._private.internal_api import memory_summary
from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE, _dir_travel, _get_excludes
from ray._private.utils import read_ray_address
from ray.exceptions import RayActorError
from ray.util.metrics import Counter

__all__ = [
    "UPLOAD_LIMIT",
    "VERSIONED",
    "count",
    "enable_token_auth_by_default",
    "ensure_token_if_auth_enabled",
    "excluded_from_upload",
    "maybe_enable_token_auth_if_token_available",
    "memory_summary",
    "read_ray_address",
    "reset_ray_address",
    "serve_details",
    "stop_serve",
    "travel",
]

UPLOAD_LIMIT = GCS_STORAGE_MAX_SIZE
"""Bytes that Ray takes as a working directory."""
travel, excluded_from_upload = _dir_travel, _get_excludes
"""How Ray walks a working directory: what it would upload can only be counted in the same way."""
_LOOK_EVERY_S = 0.1
"""The controller takes some two seconds to end."""
VERSIONED: Mapping[str, Any] = {"_internal": True}
"""Lets a deployment's `version` be set. Without one Serve draws a new one for each deployment, and restarts replicas
that did not change."""


def count(counter: Counter, value: float, tags: dict[str, str]) -> None:
    """Add to a counter. `inc` refuses 0, which is what makes a labelled series exist before its first event."""
    counter._record(float(value), tags=tags)


def serve_details() -> dict[str, Any]:
    """Applications as deployed, with their autoscaling bounds, which `serve.status()` leaves out."""
    from ray.serve.context import _get_global_client

    details: dict[str, Any] = _get_global_client().get_serve_details()
    return details


def stop_serve(within_s: float) -> None:
    """End Serve's controller, if there is one, and all that it runs. `serve.shutdown` asks for the same in a call that
    the controller's death ends, and Ray prints that the call failed."""
    from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

    until = time.monotonic() + within_s
    with suppress(ValueError, RayActorError, TimeoutError):  # there is none, or none any more, or it does not answer
        controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
        ray.get(controller.graceful_shutdown.remote(wait=False), timeout=within_s)
        while time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
            ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
