"""Joins a Ray cluster within a deadline.

Ray asks a head that hangs for a quarter of an hour, and one that is not there for minutes; if the head dies while Ray
connects, it ends the process without a reason.
"""

import os
import socket
import sys
import threading
from typing import Any

import ray

from reward_server.compat.ray import read_ray_address, reset_ray_address
from services.run.errors import BAD_INPUT

JOIN_DEADLINE_S = 50.0
"""Seconds; a head answers within one. Below the minute after which Ray ends a process whose head is gone."""
_PROBE_S = 5.0
_CLIENT = "ray://"


def join(address: str, namespace: str, deadline_s: float = JOIN_DEADLINE_S) -> Any:
    """The context of the cluster at `address` (`auto`: the one on this machine); None if there is none.

    A head that listens and lets nobody in until the deadline ends this process with one line and BAD_INPUT: the thread
    that waits for it is inside Ray, where no exception reaches it.
    """
    if not _head_listens(address):
        return None
    watch = threading.Timer(deadline_s, _end, [address, deadline_s])
    watch.daemon = True
    watch.start()
    try:
        return ray.init(address=address, namespace=namespace, log_to_driver=False, logging_level="warning")
    except ConnectionError:
        return None
    finally:
        watch.cancel()


def withdraw(address: str) -> None:
    """Let `auto` no longer find the head at `address` on this machine: it is about to end."""
    # Ray remembers it by another host than it was told.
    if (read_ray_address() or "").rpartition(":")[2] == address.rpartition(":")[2]:
        reset_ray_address()


def _head_listens(address: str) -> bool:
    """Ray remembers the last cluster of this machine even after it died. A client's server may be behind a proxy."""
    if address.startswith(_CLIENT):
        return True
    host, _, port = ((read_ray_address() or "") if address == "auto" else address).rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port) % 2**16), _PROBE_S):
            return True
    except (OSError, ValueError):
        return False


def _end(address: str, deadline_s: float) -> None:
    line = f"error: the Ray cluster at {address!r} lets nobody in within {deadline_s:g} s: its head hangs, or has died"
    print(line, file=sys.stderr, flush=True)
    os._exit(BAD_INPUT)
