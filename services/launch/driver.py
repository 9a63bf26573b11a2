"""The alignment job's shell, made for `ray job submit`: `python -m services.launch.driver --profile P [--set a.b=c ...]
[--run-id ID]`, or `--resume RUN` for one that was stopped or killed. The same command with the same run id, as a
retry gives it, goes on from the checkpoint; a run that has succeeded is left as it is.

It reads the arguments, connects to Ray, waits for a predecessor's actors to go, runs `services.align.align` and turns
its end into an exit code: 0 done, 1 failed or stalled, 2 bad input, 128 + n stopped by signal n after a checkpoint.
It never passes `runtime_env` to `ray.init`: submission is the only place for that.
"""

import argparse
import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ray
from rich.console import Console
from setproctitle import setproctitle

from oars.config import RunConfig, load_profile
from oars.errors import UserError
from oars.report.held_out import headline
from oars.report.summary import Status
from services.align import align
from services.launch.addresses import NoCluster, checked_address
from services.launch.cluster import quiet_ray
from services.launch.joining import join
from services.launch.preflight import check_inputs
from services.launch.scaling import replace_judge
from services.results.held_out import Results
from services.results.tables import held_out_table
from services.results.write_up import summarise, write_up
from services.run.beginning import begin_run
from services.run.errors import BAD_INPUT, innermost, one_line
from services.run.ledger import Ledger
from services.run.memory import PeakMemory
from services.run.progress import progress
from services.run.prometheus import Prometheus
from services.run.run import Run
from services.run.run_directory import CONFIG, SENT_CONFIG, BadRun, claimed, find_run, new_run_id, succeeded
from services.run.stopping import StopRequest
from services.run.storage import storage_fault
from services.run.telemetry import Telemetry
from services.run.watchdog import RunStalled, Watchdog

FAILED = 1
# A job's output is a file, which has no width of its own.
_TABLE_WIDTH = 80
_LOOK_EVERY_S = 0.5


class LedgerBroken(RuntimeError):
    """A group was lost, or left twice."""


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
        return await align(run, replace_judge)
    except asyncio.CancelledError as error:
        if not stalls:
            raise
        raise RunStalled(stalls[0]) from error
    finally:
        run.watchdog.stop()


def execute(config: RunConfig, directory: Path) -> int:
    """Begin or resume a run in the cluster that is connected. However it ends, it leaves summary.json and report.html.

    Raises BadRun if there is no ledger to write.
    """
    run_id = directory.name
    with progress() as shown:
        print(f"run {run_id}: {directory}", flush=True)
        run = Run(
            id=run_id,
            directory=directory,
            config=config,
            ledger=Ledger.drive(directory / "ledger.sqlite"),
            telemetry=Telemetry(directory, run_id, Prometheus()),
            watchdog=Watchdog(config.control.stall_s),
            stop=StopRequest(),
            progress=shown,
        )
        return _finish(run, *_measured(run))


def _measured(run: Run) -> "tuple[_End, float]":
    """The run's end, and its peak memory in GiB."""
    memory = PeakMemory()
    memory.start()
    end = _run_to_its_end(run)
    memory.stop()
    return end, memory.peak_gib


def _finish(run: Run, end: "_End", peak_gib: float) -> int:
    """Write everything up, as far as the file system takes it; the exit code."""
    try:
        report = _write_up(run, end, peak_gib)
    except (OSError, sqlite3.OperationalError) as error:
        if (fault := storage_fault(error, run.directory)) is None:
            raise
        print(f"failed: {end.reason or fault}; make room, then --resume {run.id}", flush=True)
        return end.exit_code or FAILED
    print(f"{end.status}{': ' + end.reason if end.reason else ''}\nreport: {report}", flush=True)
    return end.exit_code


def _write_up(run: Run, end: "_End", peak_gib: float) -> Path:
    run.ledger.record_clocks(run.clocks.seconds())
    summary = summarise(run, end.status, end.reason, end.results, peak_gib)
    report = write_up(summary, run.directory)
    run.telemetry.phase("finished")
    run.telemetry.close()
    run.ledger.close()
    if summary.held_out:
        Console(width=_TABLE_WIDTH).print(held_out_table(summary))
    if said := headline(summary):
        print(said, flush=True)
    for warning in summary.warnings:
        print(f"warning: {warning}", flush=True)
    return report


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
        stopped = run.stop.requested and results is None
        if broken := run.ledger.violations(final=not stopped):
            raise LedgerBroken(f"{len(broken)} groups unaccounted for, the first: {broken[0]}")
    except Exception as error:
        run.telemetry.exception("failed", error)
        cause = innermost(error)
        reason = (
            one_line(error)
            or storage_fault(error, run.directory)
            or f"{type(cause).__name__}: {' '.join(str(cause).split())}"
        )
        return _End("failed", reason, BAD_INPUT if one_line(error) else FAILED)
    if stopped:
        return _End("stopped", run.stop.reason, run.stop.exit_code)
    return _End("succeeded", "", 0, results)


def main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    try:
        config, directory = _run_of(given)
        with claimed(directory):
            if not given.resume and succeeded(directory):
                print(f"run {directory.name} has succeeded already: {directory}", flush=True)
                return 0
            connect(directory.name, given.address)
            await_predecessor(directory.name, config.control.start_deadline_s)
            check_inputs(config)
            return execute(config, directory)
    except (UserError, ExceptionGroup) as error:
        if (line := one_line(error)) is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.launch.driver", description="Align a generator with COMPASS."
    )
    config = parser.add_mutually_exclusive_group()
    config.add_argument("--profile", help="run profile, YAML")
    config.add_argument(
        "--sent-config", action="store_true", help=f"take the resolved config, JSON, from ${SENT_CONFIG}"
    )
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with a run that was stopped or killed: its id or directory"
    )
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="override one config field")
    parser.add_argument(
        "--run-id",
        help="name of the run directory; one that is there is gone on with. Default: the profile's name and the time",
    )
    parser.add_argument(
        "--address", help="Ray cluster. Default: RAY_ADDRESS, as in a submitted job, else this machine's"
    )
    return parser


def _run_of(given: argparse.Namespace) -> tuple[RunConfig, Path]:
    """The config and the directory of the run that begins, or goes on. Raises BadRun."""
    run = find_run(Path("runs"), given.resume) if given.resume else None
    config = _config_of(given, run)
    return config, run or begin_run(config, given.run_id or new_run_id(config.name))


def _config_of(given: argparse.Namespace, run: Path | None) -> RunConfig:
    """The config that was sent, or that of the run, or the profile's."""
    if given.sent_config:
        return RunConfig.model_validate_json(os.environ[SENT_CONFIG])
    if run is None and given.profile is None:
        raise BadRun("give --profile, or --resume RUN")
    return load_profile(run / CONFIG if run else given.profile, given.set)


def connect(run_id: str, address: str | None = None) -> None:
    """Connect to the cluster at `address`, else to the one that RAY_ADDRESS names (as in a submitted job), else to the
    one on this machine. Raises NoCluster.

    The run's id is its namespace, so that runs that share a cluster may both have a `learner-0`.
    """
    quiet_ray()
    address = address or checked_address(os.environ.get("RAY_ADDRESS")) or "auto"
    if join(address, run_id) is None:
        raise NoCluster(f"no Ray cluster at {address!r}: start one with `ray start --head`, or use `oars align`")


def await_predecessor(run_id: str, deadline_s: float) -> None:
    """Ray ends the actors of a driver that died, within seconds. Raises BadRun if it does not."""
    deadline = time.monotonic() + deadline_s
    while left := [a["name"] for a in ray.util.list_named_actors(all_namespaces=True) if a["namespace"] == run_id]:
        if time.monotonic() > deadline:
            raise BadRun(f"run {run_id!r}: {', '.join(left)} of another driver are still there")
        time.sleep(_LOOK_EVERY_S)


if __name__ == "__main__":
    setproctitle("oars:align")
    sys.exit(main(sys.argv[1:]))
