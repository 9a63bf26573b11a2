"""A Ray cluster for one command: the one that is there, or a local one that ends with the command."""

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from oars.config import RunConfig
from reward_server.compat.ray import (
    enable_token_auth_by_default,
    ensure_token_if_auth_enabled,
    maybe_enable_token_auth_if_token_available,
    stop_serve,
)
from services.launch.addresses import NoCluster, check_temporary_folder
from services.launch.joining import join, withdraw
from services.launch.local_head import LocalHead
from services.reward_modeling.refresh_settings import refresh_cpus, stage_training

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "oars"

# Serve's controller and proxy, the Ray tasks that measure metrics, and this command's own driver.
_OTHER_CPUS = 3
_ASK_EVERY_S = 1.0
_STOP_DEADLINE_S = 30.0
"""Seconds that Serve may take to end, as in `serve.shutdown`; what is left then ends with the cluster."""
START_DEADLINE_S = 600.0
"""Seconds that a local cluster may take to come up."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    dashboard: str
    """Address of the job server, http://host:port."""
    own_head: str | None = None
    """Address of the head, if it was started here, on this machine, with this Python."""


@contextmanager
def cluster(
    cpus: int,
    address: str | None,
    start_deadline_s: float = START_DEADLINE_S,
    before_start: Callable[[], None] = lambda: None,
) -> Iterator[Cluster]:
    """Join `address` (`auto`: whichever runs on this machine, if any), or start a local one of `cpus` for None.

    `before_start` is called before a local one is started; what it raises costs no start. Raises NoCluster if a named
    cluster does not answer.
    """
    quiet_ray()
    context, head = _join(address), None
    if context is None:
        before_start()
        head, context = _start(cpus, start_deadline_s)
    elif address == "auto":
        where = context.address_info["address"]
        print(f"joined this machine's Ray cluster, {where}; if a command started it, it ends with that", flush=True)
    try:
        yield Cluster(head.dashboard, head.address) if head else Cluster(f"http://{context.dashboard_url}")
    finally:
        if head:
            withdraw(head.address)
            stop_serve(_STOP_DEADLINE_S)
        ray.shutdown()
        if head:
            head.stop()


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Join the cluster at `address` (`auto`: the one on this machine); none is started. Raises NoCluster."""
    quiet_ray()
    if _join(address) is None:
        raise NoCluster("no Ray cluster runs on this machine; start COMPASS with `oars serve`")
    try:
        yield
    finally:
        ray.shutdown()


def quiet_ray() -> None:
    """Serve and the job client narrate at INFO, to stderr; their log files keep it. So does the choice of a token."""
    os.environ.setdefault("RAY_SERVE_LOG_TO_STDERR", "0")
    # A replica that is late to say how much it has to do is asked again, with a warning each time; on a busy machine
    # 0.1 s is early. A deployment carries the router's class by value, so that its clients have what is read here.
    os.environ.setdefault("RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S", "1")
    from ray import serve  # its import reads both, and sets the level of its logger; later, it would undo what follows

    logging.getLogger(serve.__name__).setLevel(logging.WARNING)
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)


def _join(address: str | None) -> Any:
    """The context of a cluster that answers; None if there is none to join. Raises NoCluster."""
    if address is None:
        return None
    # As `ray.init("auto")` does and `ray.init(ADDRESS)` does not: unlike modes turn each other's answers away.
    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    context = join(address, NAMESPACE)
    if context is None and address != "auto":
        raise NoCluster(f"no Ray cluster answers at {address!r}")
    return context


def _start(cpus: int, deadline_s: float) -> tuple[LocalHead, Any]:
    """CPUs are only Ray's accounting, so what is asked for always fits. Raises NoCluster."""
    check_temporary_folder(os.environ)
    print("starting a local Ray cluster", flush=True)
    head = LocalHead(max(os.cpu_count() or 1, cpus), _environment())
    deadline = time.monotonic() + deadline_s
    while head.alive and time.monotonic() < deadline:
        time.sleep(_ASK_EVERY_S)
        if (context := join(head.address, NAMESPACE, max(_ASK_EVERY_S, deadline - time.monotonic()))) is not None:
            head.watch()
            return head, context
    words = head.last_words()
    head.stop()
    raise NoCluster(f"a local Ray cluster did not start: {words}")


def _environment() -> dict[str, str]:
    """Environment of the head and, through it, of every worker."""
    # As `ray.init()` does for a cluster of its own: with this user's token, which is made where there is none, unless
    # RAY_AUTH_MODE says otherwise. Other users of this machine stay out, and every command of this one gets in.
    enable_token_auth_by_default()
    try:
        ensure_token_if_auth_enabled()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home at all
        raise NoCluster(
            f"HOME={os.environ.get('HOME', '')}: Ray's token cannot be kept there ({error}); set RAY_AUTH_TOKEN_PATH "
            "to a file that you may write, or HOME to such a folder"
        ) from error
    # Workers must find the packages of a checkout that is not installed, and this Python's console scripts.
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *map(os.path.abspath, given)])
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return dict(os.environ)


def needed_cpus(config: RunConfig) -> int:
    """Logical CPUs that all roles of a run reserve together."""
    rollouts = config.rollout.workers * config.rollout.resources.num_cpus
    ranks = config.learner.ranks * config.learner.resources.num_cpus
    return math.ceil(rollouts + ranks + config.judge.resources.num_cpus + _refresh_cpus(config)) + _OTHER_CPUS


def _refresh_cpus(config: RunConfig) -> float:
    """What `stages.refresh` takes beside the other roles: first the training, then one more replica, which is warm
    before the old judge leaves."""
    training = stage_training(config)
    return max(refresh_cpus(training), config.judge.resources.num_cpus) if training else 0.0


def deploy_compass(config: RunConfig) -> None:
    """Deploy COMPASS and wait until it is ready, unless it is there or elsewhere (`endpoint`). Raises BadJudge."""
    if config.reward.endpoint is not None:
        return
    from ray import serve

    from services.launch.serving import deploy

    if config.reward.app not in serve.status().applications:
        print("deploying COMPASS (the judge loads and warms up)", flush=True)
        deploy(config.judge, config.reward.app, config.control.start_deadline_s)
