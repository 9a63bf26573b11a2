"""A Ray cluster for one command: the one that is there, or a local one that ends with the command."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray

from oars.config import RunConfig

ROOT = Path(__file__).resolve().parents[1]
NAMESPACE = "oars"

# Serve's controller and proxy, the Ray tasks that measure metrics, and this command's own driver.
_OTHER_CPUS = 3


class NoCluster(RuntimeError):
    """There is no Ray cluster to run on; the message is one line."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    dashboard: str
    """Address of the job server, http://host:port."""
    own: bool
    """Started here, on this machine, with this Python."""


@contextmanager
def cluster(config: RunConfig, address: str | None) -> Iterator[Cluster]:
    """Join `address` (`auto`: whichever runs on this machine, if any), or start a local one for None.

    Raises NoCluster if a named cluster does not answer.
    """
    context, own = _join(address), False
    if context is None:
        context, own = _start(config), True
    try:
        yield Cluster(f"http://{context.dashboard_url}", own)
    finally:
        if own:
            _stop_serve()
        ray.shutdown()


def _join(address: str | None) -> ray.runtime_context.RuntimeContext | None:
    if address is None:
        return None
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        return ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level="warning")
    except ConnectionError as error:
        if address == "auto":
            return None
        raise NoCluster(f"no Ray cluster answers at {address!r}") from error


def _start(config: RunConfig) -> ray.runtime_context.RuntimeContext:
    """Ends with this process, even if it is killed. CPUs are only Ray's accounting, so the roles always fit."""
    # Nobody but this command talks to it, and it listens on this machine only.
    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Workers must find the packages of a checkout that is not installed, and this Python's console scripts.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    print("starting a local Ray cluster", flush=True)
    return ray.init(
        address="local",
        num_cpus=max(os.cpu_count() or 1, needed_cpus(config)),
        include_dashboard=True,
        namespace=NAMESPACE,
        log_to_driver=False,
        logging_level="warning",
    )


def needed_cpus(config: RunConfig) -> int:
    """Logical CPUs that all roles of a run reserve together."""
    rollouts = config.rollout.workers * config.rollout.resources.num_cpus
    ranks = config.learner.ranks * config.learner.resources.num_cpus
    return math.ceil(rollouts + ranks + config.judge.resources.num_cpus) + _OTHER_CPUS


def _stop_serve() -> None:
    from ray import serve

    serve.shutdown()


def deploy_compass(config: RunConfig) -> None:
    """Deploy COMPASS and wait until it is ready, unless it is there. Raises BadJudge."""
    from ray import serve

    from services.cli.serve import deploy

    if config.reward.app not in serve.status().applications:
        print("deploying COMPASS (the judge loads and warms up)", flush=True)
        deploy(config.judge, config.reward.app)
