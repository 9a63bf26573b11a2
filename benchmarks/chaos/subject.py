"""The alignment that is attacked: its cluster, its driver, and what its ledger and log say."""

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import ray
from ray import serve

from benchmarks.chaos.world import LABEL, World, world
from benchmarks.descendants import adopt_orphans
from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from reward_server.compat.ray import memory_summary
from services.launch.cluster import cluster, needed_cpus
from services.launch.serving import deploy
from services.run.ledger_rules import violations

T = TypeVar("T")
RUN_ID = "chaos"
_LOOK_EVERY_S = 0.2
# For a machine that runs much else.
_START_S = 900.0
# A small run of the real parts, which does not end by itself.
SETTINGS = (
    "name=chaos",
    "data.crop=64",
    "reward.window_shift=0",
    "data.evaluation_crops=2",
    "data.shown_crops=0",
    "stages.cold_start.steps=3",
    "stages.cold_start.batch=2",
    "stages.fr_rl.steps=1000000",
    "stages.fr_rl.groups=2",
    "stages.nr_rl.steps=2",
    "stages.nr_rl.groups=2",
    "objective.timesteps=2",
    "rollout.candidates=4",
    "alarms.crops=2",
    "control.checkpoint_every=4",
    "control.group_deadline_s=60",
    "control.heartbeat_s=2",
    "control.learner_restarts=10",
    "control.step_deadline_s=180",
    "reward.deadline_s=60",
)
# With a second node: the candidates come from there, everything else is here.
PLACES = tuple(
    f"{role}.resources.label_selector={{{LABEL}: {node}}}"
    for role, node in {"rollout": "far", "learner": "here", "judge": "here"}.items()
)


class Missed(RuntimeError):
    """Something that should have happened did not, in time."""


class Subject:
    """One run, its driver and its cluster; made by `attacked`."""

    def __init__(
        self, directory: Path, config: RunConfig, address: str, settings: list[str], around: World | None
    ) -> None:
        self.directory, self.config, self._world = directory / RUN_ID, config, around
        self.objects_before = stored_objects()
        """The object store's account when there was COMPASS and no driver yet."""
        self._address, self._settings = address, settings
        self._printed = Path(tempfile.mkstemp(prefix="oars-chaos-", suffix=".log")[1])
        self.driver = self._drive({}, "--profile", str(deploy_path()), "--run-id", RUN_ID, *settings)

    @property
    def world(self) -> World:
        """Raises Missed if this run has none."""
        if self._world is None:
            raise Missed("no namespaces of our own")
        return self._world

    def resume(self, *overrides: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        """Another driver for the same run."""
        self.driver = self._drive(environment, "--resume", str(self.directory), *self._settings, *overrides)

    def _drive(self, environment: Mapping[str, str], *arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "services.launch.driver", *arguments]
        environment = os.environ | {"RAY_ADDRESS": self._address} | dict(environment)
        with self._printed.open("ab") as output:
            return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)

    def kill(self) -> float:
        """kill -9 of the driver; when it was gone."""
        self.driver.kill()
        self.driver.wait()
        return time.time()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.driver.send_signal(signal.SIGTERM)
        return self.driver.wait(_START_S)

    def close(self) -> None:
        self._printed.unlink()

    # What is known

    def value(self, query: str, *values: object) -> Any:
        """The first column of the first row of a query on the ledger; None without one."""
        if not (path := self.directory / "ledger.sqlite").exists():
            return None
        ledger = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            row = ledger.execute(query, values).fetchone()
        except sqlite3.OperationalError:
            return None  # not created yet
        finally:
            ledger.close()
        return None if row is None else row[0]

    def event(self, name: str, since: float) -> float | None:
        """Unix time of the log's first such line after `since`."""
        found = (record["at"] for record in self._records() if record["event"] == name and record["at"] >= since)
        return next(found, None)

    def first_warning(self, since: float) -> str:
        """The log's first line after `since` that is no mere information; empty without one."""
        warnings = (record for record in self._records() if record["at"] >= since and record["level"] != "info")
        said = (f"{record['event']}: {record.get('error', record.get('reason', ''))}" for record in warnings)
        return next(said, "")

    def _records(self) -> Iterator[dict[str, Any]]:
        """The log, without lines that a kill or a full disk cut."""
        for line in (self.directory / "log.jsonl").read_text().splitlines():
            with suppress(json.JSONDecodeError):
                yield json.loads(line)

    def last_words(self) -> str:
        """The last line with which a driver said how it ended."""
        lines = self._printed.read_text(errors="replace").splitlines()
        said = [line for line in lines if line.startswith(("failed: ", "stopped: ", "error: "))]
        return said[-1] if said else "nothing"

    def steps(self) -> int:
        """Optimiser steps that are done."""
        return int(self.value("SELECT COUNT(*) FROM steps WHERE done IS NOT NULL") or 0)

    def violations(self, final: bool) -> list[str]:
        ledger = sqlite3.connect(self.directory / "ledger.sqlite")
        found = violations(ledger, final)
        ledger.close()
        return found

    def until(self, what: str, look: Callable[[], T | None], seconds: float, driven: bool = True) -> T:
        """The first answer of `look`. Raises Missed."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            if driven and self.driver.poll() is not None:
                raise Missed(f"{what}: the driver ended with {self.driver.returncode}")
            if time.monotonic() > deadline:
                raise Missed(f"{what}: not within {seconds:.0f} s")
            time.sleep(_LOOK_EVERY_S)
        return found

    def step_after(self, moment: float) -> float | None:
        """Time at which the first optimiser step after a moment was done."""
        done: float | None = self.value("SELECT MIN(done) FROM steps WHERE done > ?", moment)
        return done

    def await_step(self) -> None:
        began = time.time()
        self.until("an optimiser step", lambda: self.step_after(began), _START_S)


def stored_objects() -> str:
    """The object store's own account."""
    lines = memory_summary(stats_only=True).splitlines()
    return next((line for line in lines if "Plasma memory usage" in line), "no account")


@contextmanager
def attacked(directory: Path, inside: bool = False, settings: tuple[str, ...] = SETTINGS) -> Iterator[Subject]:
    """A cluster of its own, COMPASS, and a driver that trains; `inside` namespaces of our own, with a second node and a
    small disk."""
    adopt_orphans()
    overrides = [*settings, *(PLACES if inside else ()), f"runs={directory}"]
    config = load_profile(deploy_path(), overrides)
    workers, cpus = config.rollout.workers * config.rollout.resources.num_cpus, needed_cpus(config)
    with ExitStack() as around:
        there = around.enter_context(world(directory, cpus, math.ceil(workers))) if inside else None
        around.enter_context(cluster(cpus, there.address if there else None))
        if there:
            around.callback(serve.shutdown)  # with a cluster of its own, `cluster` does
        deploy(config.judge, config.reward.app)
        words = [word for override in overrides for word in ("--set", override)]
        subject = Subject(directory, config, ray.get_runtime_context().gcs_address, words, there)
        try:
            subject.until("the first optimiser step", lambda: subject.step_after(0), _START_S)
            yield subject
        finally:
            if subject.driver.poll() is None:
                subject.kill()
            subject.close()


def redeploy(config: RunConfig) -> None:
    deploy(config.judge, config.reward.app)


def compass_is_whole(config: RunConfig) -> bool:
    """True if Serve reports one replica, and that it runs."""
    status = serve.status().applications.get(config.reward.app)
    return status is not None and status.status == "RUNNING" and _states(status) == {"RUNNING": 1}


def _states(status: Any) -> dict[str, int]:
    (deployment,) = status.deployments.values()
    return {str(getattr(state, "value", state)): count for state, count in deployment.replica_states.items() if count}
