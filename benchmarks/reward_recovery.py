"""`python -m benchmarks.reward_recovery`: COMPASS is scaled and killed under load, and every answer is checked.

A closed loop of retrying clients asks for groups whose scores are known from a quiet time. Meanwhile: 1 -> 2 replicas,
kill -9 of one's engine process, of the other's replica process, 2 -> 1, and both kills again with one replica left.
The engine is in float32, and remembers no answer: each one is computed, and may differ by rounding alone.
"""

import argparse
import asyncio
import itertools
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.result import Result, write_result
from benchmarks.reward_setting import Service, groups_of, service
from reward_server.client import CompassClient
from reward_server.errors import NoCompass
from reward_server.statistics import ReplicaReport
from services.bench.account import Account
from services.bench.known_scores import Comparison, compare
from services.bench.load import Sample, closed_loop
from services.bench.requests import Groups
from services.scaling import reports, scale

KNOWN = 24  # different groups, asked about in turn
CONCURRENCY = 6
TOLERANCE = 1e-3
SETTING = ("judge.known_answers=0", "judge.dtype=float32", "reward.patience_s=300")
_POLL_S = 0.25
_GIVE_UP_S = 300.0


@dataclass(frozen=True)
class Event:
    """Something that was done to the service, and how it came through; seconds since the load began."""

    what: str
    at_s: float
    seconds: float
    """Until all wanted replicas answered."""


@dataclass
class Storm:
    """The load's clock, and what happened on it."""

    app: str
    begun: float = field(default_factory=time.perf_counter)
    events: list[Event] = field(default_factory=list)

    async def scale(self, replicas: int) -> None:
        before = {report.replica for report in await self.running()}
        await self._event(f"scale {len(before)} -> {replicas}", asyncio.to_thread(scale, self.app, replicas, replicas))
        await self._until(lambda running: len(running) == replicas)

    async def kill(self, part: str, victim: ReplicaReport, replicas: int) -> None:
        """kill -9 of a replica's `engine` or of the `replica` process itself."""

        async def act() -> None:
            os.kill(_engine(victim.pid) if part == "engine" else victim.pid, signal.SIGKILL)
            await self._until(
                lambda running: len(running) == replicas and victim.replica not in {one.replica for one in running}
            )

        await self._event(f"kill -9 of {part}, 1 of {replicas}", act())

    async def running(self) -> list[ReplicaReport]:
        try:
            return await asyncio.to_thread(reports, self.app)
        except NoCompass:
            return []

    async def _event(self, what: str, action: Awaitable[object]) -> None:
        at_s = time.perf_counter() - self.begun
        await action
        self.events.append(Event(what, at_s, time.perf_counter() - self.begun - at_s))
        print(self.events[-1], flush=True)

    async def _until(self, holds: Callable[[list[ReplicaReport]], bool]) -> None:
        async with asyncio.timeout(_GIVE_UP_S):
            while not holds(await self.running()):
                await asyncio.sleep(_POLL_S)


def _engine(replica: int) -> int:
    """Process that holds the judge of the replica with this process id."""
    [engine] = [child.pid for child in psutil.Process(replica).children() if "EngineCore" in "".join(child.cmdline())]
    return engine


async def through_storm(
    client: CompassClient, groups: Groups, app: str, weather: Callable[[Storm], Awaitable[None]]
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


async def full_weather(storm: Storm) -> None:
    await asyncio.sleep(5)
    await storm.scale(2)
    await asyncio.sleep(5)
    await storm.kill("engine", (await storm.running())[0], 2)
    await storm.kill("replica", (await storm.running())[0], 2)
    await asyncio.sleep(5)
    await storm.scale(1)
    await storm.kill("engine", (await storm.running())[0], 1)
    await storm.kill("replica", (await storm.running())[0], 1)
    await asyncio.sleep(5)


def longest_silence(samples: list[Sample], start_s: float, stop_s: float) -> float:
    """Seconds without any answer, the most in a row between two times."""
    ends = sorted(sample.started_s + sample.seconds for sample in samples if sample.end == "answered")
    marks = [start_s, *(end for end in ends if start_s < end < stop_s), stop_s]
    return max(later - earlier for earlier, later in itertools.pairwise(marks))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with service(*SETTING) as compass:
        samples, comparison, storm = asyncio.run(_measure(compass))
    account = Account.of(samples)
    silences = {event.what: longest_silence(samples, event.at_s, event.at_s + event.seconds) for event in storm.events}
    table = Table("event", "at", "all replicas back after", "longest time without an answer")
    for event in storm.events:
        table.add_row(event.what, f"{event.at_s:.0f} s", f"{event.seconds:.1f} s", f"{silences[event.what]:.1f} s")
    Console().print(table)
    print(account, comparison)
    kills = [event for event in storm.events if event.what.startswith("kill")]
    result = Result(
        name="reward_recovery",
        value=max(event.seconds for event in kills),
        unit="s from kill -9 to all replicas warm, the longest",
        repeats=len(kills),
        spread=(min(event.seconds for event in kills), max(event.seconds for event in kills)),
        details={
            "events": [asdict(event) | {"silence_s": silences[event.what]} for event in storm.events],
            "load": asdict(account),
            "answers": asdict(comparison),
        },
    )
    print(write_result(result))
    if comparison.wrong or comparison.unscored or account.requests["answered"] != len(samples):
        raise SystemExit("a request was lost, or answered wrong")


async def _measure(compass: Service) -> tuple[list[Sample], Comparison, Storm]:
    async with CompassClient(compass.config.reward) as client:
        return await through_storm(client, groups_of(compass.config), compass.config.reward.app, full_weather)


if __name__ == "__main__":
    main()
