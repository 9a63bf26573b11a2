"""The alignment job: `python -m services.align --profile P [--set a.b=c ...] [--run-id ID]`, made for `ray job submit`.

    cold start   flow-matching SFT of the whole transformer         -> SFT weights
    FR-RL        DiffusionNFT on a LoRA over the base weights, F measured against GT
    NR-RL        the same LoRA goes on, real low-quality inputs, COMPASS alone
    held-out     bicubic, base, SFT, aligned = SFT weights + the LoRA's evaluation average

The driver is the conductor. It never passes `runtime_env` to `ray.init`: submission is the only place for that. Exit
codes: 0 done, 1 failed or stalled, 2 bad input, 128 + n stopped by signal n after a checkpoint.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar

import ray
from rich.console import Console
from setproctitle import setproctitle

from learner.group import LearnerGroup
from oars.config import RunConfig, load_profile
from rollout_workers.pool import RolloutPool
from services.cluster import NoCluster, quiet_ray
from services.cold_start import cold_start
from services.compass import connect_compass
from services.conductor import Conductor
from services.drops import DropReason
from services.errors import BAD_INPUT, innermost, one_line
from services.group_life import GroupLife
from services.held_out import Results, evaluate
from services.ledger import Ledger
from services.memory import PeakMemory
from services.merging import merge_aligned
from services.policy_store import PolicyStore
from services.progress import progress
from services.prometheus import Prometheus
from services.run import Run
from services.run_directory import create_run, new_run_id
from services.source import InputSource
from services.stopping import StopRequest
from services.summary import Status
from services.tables import held_out_table
from services.telemetry import Telemetry
from services.watchdog import RunStalled, Watchdog
from services.write_up import summarise, write_up

FAILED = 1
# A job's output is a file, which has no width of its own.
_TABLE_WIDTH = 120
RoleT = TypeVar("RoleT")


class LedgerBroken(RuntimeError):
    """A group was lost, or left twice."""


async def align(run: Run) -> Results | None:
    """The algorithm. None if a stop was requested before the evaluation."""
    stages, judge = run.config.stages, connect_compass(run.config)
    source, store = InputSource(run.config, run.id), PolicyStore(ray.put)
    async with AsyncExitStack() as actors:
        learner = await started(run, "the learner", LearnerGroup.start(run.config))
        actors.callback(learner.stop)
        sft = await cold_start(run, source, learner)
        if run.stop.requested:
            return None
        await learner.begin_rl()
        rollouts = await started(run, "the rollout workers", RolloutPool.start(run.config))
        actors.push_async_callback(rollouts.stop)
        conductor = Conductor(run, source, rollouts, learner, store, GroupLife(run, rollouts, judge, store))
        await conductor.publish(version=0)
        await conductor.run_stage("fr_rl", stages.fr_rl)
        await conductor.run_stage("nr_rl", stages.nr_rl)
        await conductor.checkpoint()
        adapter = await learner.snapshot(store.current.version)
    aligned = await merge_aligned(run, sft, adapter)
    return None if run.stop.requested else await evaluate(run, judge, sft, aligned)


async def started(run: Run, what: str, start: Awaitable[RoleT]) -> RoleT:
    """A role that has its own deadline and message for not coming up; this one only bounds what those miss."""
    return await run.wait("conductor", what, start, 2 * run.config.control.start_deadline_s)


async def supervised(run: Run) -> Results | None:
    """`align`, ended at the next step boundary by a signal, or at once by a stall."""
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    assert this is not None
    run.stop.catch_signals(loop)
    stalls: list[str] = []

    def stalled(message: str) -> None:
        stalls.append(message)
        loop.call_soon_threadsafe(this.cancel)

    run.watchdog.start(stalled)
    try:
        return await align(run)
    except asyncio.CancelledError as error:
        if not stalls:
            raise
        raise RunStalled(stalls[0]) from error
    finally:
        run.watchdog.stop()


def execute(config: RunConfig, run_id: str) -> int:
    """One run in the cluster that is connected. However it ends, it leaves summary.json and report.html."""
    directory = create_run(config, run_id)
    print(f"run {run_id}: {directory}", flush=True)
    telemetry, memory = Telemetry(directory, run_id, Prometheus()), PeakMemory()
    memory.start()
    with progress() as shown:
        run = Run(
            id=run_id,
            directory=directory,
            config=config,
            ledger=Ledger(directory / "ledger.sqlite"),
            telemetry=telemetry,
            watchdog=Watchdog(config.control.stall_s),
            stop=StopRequest(),
            progress=shown,
        )
        end = _run_to_its_end(run)
    memory.stop()
    summary = summarise(run, end.status, end.reason, end.results, memory.peak_gib)
    report = write_up(summary, directory)
    telemetry.phase("finished")
    telemetry.close()
    run.ledger.close()
    if summary.held_out:
        Console(width=_TABLE_WIDTH).print(held_out_table(summary))
    print(f"{end.status}{': ' + end.reason if end.reason else ''}\nreport: {report}", flush=True)
    return end.exit_code


@dataclass(frozen=True)
class _End:
    status: Status
    reason: str
    exit_code: int
    results: Results | None = None


def _run_to_its_end(run: Run) -> _End:
    """The process boundary: every error becomes a status, its traceback goes to log.jsonl."""
    try:
        results = asyncio.run(supervised(run))
        if broken := run.ledger.violations(final=True):
            raise LedgerBroken(f"{len(broken)} groups unaccounted for, the first: {broken[0]}")
    except Exception as error:
        run.telemetry.exception("failed", error)
        _leave_groups(run)
        cause = innermost(error)
        reason = one_line(error) or f"{type(cause).__name__}: {' '.join(str(cause).split())}"
        return _End("failed", reason, BAD_INPUT if one_line(error) else FAILED)
    if run.stop.requested:
        return _End("stopped", run.stop.reason, run.stop.exit_code)
    return _End("succeeded", "", 0, results)


def _leave_groups(run: Run) -> None:
    """A run that failed leaves its groups, too, with a reason."""
    for group_id in run.ledger.in_flight():
        run.ledger.dropped(group_id, DropReason.STOPPED, "the run failed")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m services.align", description="Align a generator with COMPASS.")
    parser.add_argument("--profile", required=True, help="run profile, YAML")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="override one config field")
    parser.add_argument("--run-id", help="name of the run directory; default: the profile's name and the time")
    given = parser.parse_args(arguments)
    try:
        config = load_profile(given.profile, given.set)
        run_id = given.run_id or new_run_id(config.name)
        connect(run_id)
        return execute(config, run_id)
    except Exception as error:
        if (line := one_line(error)) is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return BAD_INPUT


def connect(run_id: str) -> None:
    """To the cluster that RAY_ADDRESS names (as in a submitted job), or the one on this machine. Raises NoCluster.

    The run's id is its namespace, so that runs that share a cluster may both have a `learner-0`.
    """
    quiet_ray()
    address = os.environ.get("RAY_ADDRESS", "auto")
    try:
        ray.init(address=address, log_to_driver=False, logging_level="warning", namespace=run_id)
    except ConnectionError as error:
        raise NoCluster(
            f"no Ray cluster at {address!r}: start one with `ray start --head`, or use `oars align`"
        ) from error


if __name__ == "__main__":
    setproctitle("oars:align")
    sys.exit(main(sys.argv[1:]))
