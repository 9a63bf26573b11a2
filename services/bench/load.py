"""Two ways to load a service. Each request is timed and ends as one `Sample`, whatever happened to it.

A closed loop keeps a fixed number of requests under way: it finds the capacity. An open loop starts requests at a rate,
whether or not the earlier ones were answered, as independent users do: it finds the latency at that rate, and what a
service does when the rate is more than it can bear.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from oars.compass.outcome import Judged, JudgeOutcome
from reward_server.errors import Overloaded, Unavailable
from reward_server.schema import ScoreResponse

Send = Callable[[int], Awaitable[ScoreResponse]]
"""Sends request number n, once, without retries. Raises TimeoutError, Unavailable, Overloaded."""

# What became of a request; `shed` is a refusal by a service that is there and has too much to do.
ENDS = ("answered", "shed", "late", "unavailable")


@dataclass(frozen=True)
class Sample:
    """One request."""

    number: int
    started_s: float
    """Since the load began."""
    seconds: float
    end: str
    """One of ENDS."""
    outcomes: tuple[JudgeOutcome, ...] = ()
    judge: str | None = None
    """Digest of the judge that answered."""
    replica: str | None = None

    @property
    def scored(self) -> int:
        """Pairs that got readings."""
        return sum(isinstance(outcome, Judged) for outcome in self.outcomes)


async def closed_loop(send: Send, concurrency: int, goes_on: Callable[[float], bool]) -> list[Sample]:
    """`concurrency` callers, each sending its next request when the last one ended, while `goes_on(seconds so far)`."""
    numbers, samples, begun = itertools.count(), list[Sample](), time.perf_counter()

    async def caller() -> None:
        while goes_on(time.perf_counter() - begun):
            samples.append(await _timed(send, next(numbers), begun))

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return samples


async def open_loop(send: Send, rate: float, seconds: float, seed: int = 0) -> list[Sample]:
    """Independent arrivals (Poisson), `rate` a second on average, for `seconds`; returns when all have ended."""
    draw, begun, tasks = random.Random(seed), time.perf_counter(), list[asyncio.Task[Sample]]()
    due = draw.expovariate(rate)
    while due < seconds:
        await asyncio.sleep(max(0.0, due - (time.perf_counter() - begun)))
        tasks.append(asyncio.create_task(_timed(send, len(tasks), begun)))
        due += draw.expovariate(rate)
    return list(await asyncio.gather(*tasks))


async def _timed(send: Send, number: int, begun: float) -> Sample:
    started = time.perf_counter()
    answer: ScoreResponse | None = None
    try:
        answer = await send(number)
        end = "answered" if answer.provenance else "unavailable"
    except Overloaded:
        end = "shed"
    except Unavailable:
        end = "unavailable"
    except TimeoutError:
        end = "late"
    seconds = time.perf_counter() - started
    origin = answer.provenance if answer else None
    return Sample(
        number=number,
        started_s=started - begun,
        seconds=seconds,
        end=end,
        outcomes=tuple(answer.outcomes) if answer else (),
        judge=origin.judge_digest if origin else None,
        replica=origin.replica if origin else None,
    )
