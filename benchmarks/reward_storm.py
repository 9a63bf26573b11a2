"""Loads COMPASS while something happens to it: what happened, how long it took, and whether every answer was right.

A closed loop of retrying clients asks for groups whose scores are known from a quiet time. The engine is in float32 and
remembers no answer: each one is computed, and may differ by rounding alone.
"""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict, dataclass, field

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.result import Result, write_result
from reward_server.client import CompassClient
from reward_server.errors import NoCompass
from reward_server.statistics import ReplicaReport
from services.bench.account import Account
from services.bench.known_scores import Comparison, compare
from services.bench.load import Sample, closed_loop
from services.bench.requests import Groups
from services.launch.scaling import reports, scale

KNOWN = 24  # different groups, asked about in turn
CONCURRENCY = 6
TOLERANCE = 1e-3
SETTING = ("judge.score_cache=0", "judge.dtype=float32", "reward.patience_s=300")
_POLL_S = 0.25
_GIVE_UP_S = 300.0


@dataclass(frozen=True)
class Event:
    """Something that was done to the service, and how it came through; seconds since the load began."""

    what: str
    at_s: float
    seconds: float
    """Wait until exactly the wanted replicas answer."""


@dataclass
class Storm:
    """The load's clock, and what happened on it."""

    app: str
    begun: float = field(default_factory=time.perf_counter)
    events: list[Event] = field(default_factory=list)

    async def scale(self, replicas: int) -> None:
        before = len(await self.running())
        await self.change(f"scale {before} -> {replicas}", lambda: scale(self.app, replicas, replicas), replicas)

    async def kill(self, part: str, victim: ReplicaReport, replicas: int) -> None:
        """kill -9 of a replica's `engine` or of the `replica` process itself."""
        pid = _engine(victim.pid) if part == "engine" else victim.pid
        name = f"kill -9 of {part}, 1 of {replicas}"
        await self.change(name, lambda: os.kill(pid, signal.SIGKILL), replicas, {victim.replica})

    async def change(
        self, what: str, act: Callable[[], object], replicas: int, gone: Collection[str] = frozenset()
    ) -> None:
        """Do it in a thread, and wait until so many replicas answer, none of them in `gone`."""
        at_s = time.perf_counter() - self.begun
        await asyncio.to_thread(act)
        async with asyncio.timeout(_GIVE_UP_S):
            while len(running := await self.running()) != replicas or any(one.replica in gone for one in running):
                await asyncio.sleep(_POLL_S)
        self.events.append(Event(what, at_s, time.perf_counter() - self.begun - at_s))
        print(self.events[-1], flush=True)

    async def running(self) -> list[ReplicaReport]:
        try:
            return await asyncio.to_thread(reports, self.app)
        except NoCompass:
            return []


Weather = Callable[[Storm], Awaitable[None]]


def _engine(replica: int) -> int:
    """Process that holds the judge of the replica with this process id."""
    [engine] = [child.pid for child in psutil.Process(replica).children() if "EngineCore" in "".join(child.cmdline())]
    return engine


async def through_storm(
    client: CompassClient, groups: Groups, app: str, weather: Weather
) -> tuple[list[Sample], Comparison, Storm]:
    """Learn the scores in peace, then load the service while `weather` happens; samples, their check, the events."""

    async def send(number: int):  # type: ignore[no-untyped-def]
        group = groups[number % KNOWN]
        return await client.score(f"storm-{number}", group.lr, group.candidates)

    known = [await send(number) for number in range(KNOWN)]
    judge = known[0].provenance.judge_digest
    storm, over = Storm(app), False
    load = asyncio.create_task(closed_loop(send, CONCURRENCY, lambda elapsed: not over))
    try:
        await weather(storm)
    finally:
        over = True
        samples = await load
    return samples, compare(samples, {judge: [answer.outcomes for answer in known]}, TOLERANCE), storm


def longest_silence(samples: list[Sample], start_s: float, stop_s: float) -> float:
    """Seconds without any answer, the most in a row between two times."""
    ends = sorted(sample.started_s + sample.seconds for sample in samples if sample.end == "answered")
    marks = [start_s, *(end for end in ends if start_s < end < stop_s), stop_s]
    return max(later - earlier for earlier, later in itertools.pairwise(marks))


def report(name: str, samples: list[Sample], comparison: Comparison, storm: Storm) -> None:
    """Print and write it. Raises SystemExit where a request was lost or answered wrong."""
    account = Account.of(samples)
    silences = [longest_silence(samples, event.at_s, event.at_s + event.seconds) for event in storm.events]
    table = Table("event", "at", "wanted replicas after", "longest time without an answer")
    for event, silence in zip(storm.events, silences, strict=True):
        table.add_row(event.what, f"{event.at_s:.0f} s", f"{event.seconds:.1f} s", f"{silence:.1f} s")
    Console(width=110).print(table)
    print(account, comparison)
    slowest = max(sample.seconds for sample in samples)
    result = Result(
        name=name,
        value=slowest,
        unit="s that a request took, the slowest",
        repeats=len(samples),
        details={
            "events": [asdict(e) | {"silence_s": silence} for e, silence in zip(storm.events, silences, strict=True)],
            "load": asdict(account),
            "answers": asdict(comparison),
        },
    )
    print(write_result(result))
    if comparison.wrong or comparison.unscored or account.requests["answered"] != len(samples):
        raise SystemExit("a request was lost, or answered wrong")
