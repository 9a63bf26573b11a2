"""Private parts of Ray. `tests/unit/compat` fails with "ray changed X" when one of them goes."""

from collections.abc import Mapping
from typing import Any

from ray._private.authentication.authentication_token_setup import (
    enable_token_auth_by_default,
    ensure_token_if_auth_enabled,
    maybe_enable_token_auth_if_token_available,
)
from ray._private.internal_api import memory_summary
from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE, _dir_travel, _get_excludes
from ray._private.utils import read_ray_address
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
    "serve_details",
    "travel",
]

UPLOAD_LIMIT = GCS_STORAGE_MAX_SIZE
"""Bytes that Ray takes as a working directory."""
travel, excluded_from_upload = _dir_travel, _get_excludes
"""How Ray walks a working directory: what it would upload can only be counted in the same way."""
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
