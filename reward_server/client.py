"""Client of COMPASS: a deadline on every attempt, bounded retries, and then typed failures.

`CompassClient` is for coroutines, `SyncCompassClient` for everybody else; the endpoint in their config decides whether
they call a deployment handle, a gRPC or HTTP gateway, or an OpenAI-compatible vLLM server. Nobody else, neither Serve
nor a gateway, repeats a request that a dying replica had started, so the client does, under the same request id, and
every attempt that is given up is cancelled. What comes back are readings; oars/compass/reward.py makes R of them.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from anyio.from_thread import start_blocking_portal

from oars.compass.outcome import Failed, FailureReason
from oars.config import JudgeConfig, RewardClientConfig
from oars.retry import GiveUp
from reward_server.errors import BadRequest, NoCompass, Unavailable
from reward_server.retry import after_failure
from reward_server.schema import Description, ScoreHeader, ScoreResponse
from reward_server.transports.base import Picture, Pictures, Transport
from reward_server.transports.connect import connect

T = TypeVar("T")


class CompassClient:
    """One per process and event loop. Any number of groups may be scored at once."""

    def __init__(
        self,
        config: RewardClientConfig,
        judge: JudgeConfig | None = None,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        failed_attempt: Callable[[FailureReason], None] = lambda reason: None,
    ) -> None:
        """`judge` is needed by an OpenAI-compatible endpoint alone, which knows no limits.

        `failed_attempt` hears of every attempt without an answer.
        """
        self._config, self._judge = config, judge or JudgeConfig()
        self._draw, self._clock, self._failed_attempt = draw, clock, failed_attempt
        self._transport: Transport | None = None

    async def score(
        self,
        request_id: str,
        lr: Picture,
        candidates: Pictures,
        deadline_s: float | None = None,
        count: int | None = None,
    ) -> ScoreResponse:
        """K outcomes: readings, or failures. LR uint8 [h, w, 3], candidates uint8 [K, H, W, 3].

        `deadline_s` bounds one attempt (default: the config's). `count` is K; it has to be given with a reference, so
        that each candidate can fail when nobody answers. Raises BadRequest.
        """
        slots = _slots(candidates, count)
        started = self._clock()
        failures: list[FailureReason] = []
        for attempt in itertools.count():
            header = ScoreHeader(request_id=request_id, attempt=attempt)
            answer = await self._attempt(header, lr, candidates, deadline_s or self._config.deadline_s)
            if isinstance(answer, ScoreResponse):
                return answer
            failure, wait_s = answer
            failures.append(failure.reason)
            self._failed_attempt(failure.reason)
            decision = after_failure(failures, self._clock() - started, self._config, self._draw())
            if isinstance(decision, GiveUp):
                break
            await asyncio.sleep(max(decision.wait_s, wait_s))
        return ScoreResponse(request_id=request_id, outcomes=[failure] * slots, provenance=None)

    async def describe(self) -> Description:
        """Ask the endpoint for its description; one attempt. Raises TimeoutError, Unavailable, BadRequest."""
        async with asyncio.timeout(self._config.deadline_s):
            return await self._connected().describe()

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.close()
            self._transport = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _attempt(
        self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float
    ) -> ScoreResponse | tuple[Failed, float]:
        """The answer, or the failure and the seconds that the service asks to be left alone for."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self._connected().score(header, lr, candidates, deadline_s)
        except TimeoutError as error:
            return Failed(reason=FailureReason.DEADLINE, detail=f"attempt {header.attempt}: {error}"), 0.0
        except Unavailable as error:
            detail = f"attempt {header.attempt}: {error}"
            return Failed(reason=FailureReason.UNAVAILABLE, detail=detail), error.retry_after_s or 0.0

    def _connected(self) -> Transport:
        if self._transport is None:
            self._transport = connect(self._config, self._judge)
        return self._transport


class SyncCompassClient:
    """The same for code without an event loop: it owns one, in a thread. Calls from several threads run at once."""

    def __init__(self, config: RewardClientConfig, judge: JudgeConfig | None = None) -> None:
        self._client, self._stack = CompassClient(config, judge), ExitStack()
        self._portal = self._stack.enter_context(start_blocking_portal(name="compass-client"))

    def score(self, request_id: str, lr: Picture, candidates: Pictures, **options: Any) -> ScoreResponse:
        """See `CompassClient.score`."""
        return self._run(partial(self._client.score, request_id, lr, candidates, **options))

    def describe(self) -> Description:
        """See `CompassClient.describe`."""
        return self._run(self._client.describe)

    def close(self) -> None:
        with self._stack:
            self._run(self._client.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        future = self._portal.start_task_soon(work)
        try:
            return future.result()
        finally:
            future.cancel()  # what an interrupt left under way; nothing for work that is done


def probe(config: RewardClientConfig, judge: JudgeConfig | None = None) -> Description:
    """Ask the endpoint once what it is. Raises NoCompass, in one line, if no COMPASS answers."""
    with answered(config), SyncCompassClient(config, judge) as client:
        return client.describe()


@contextmanager
def answered(config: RewardClientConfig) -> Iterator[None]:
    """Turn a failed connection or a refusal inside the block into `NoCompass`, in one line."""
    try:
        yield
    except (TimeoutError, Unavailable, BadRequest) as error:
        said = str(error) or f"no answer within {config.deadline_s:g} s"
        raise NoCompass(f"{config.endpoint or config.app}: {said}") from error


def _slots(candidates: Pictures, count: int | None) -> int:
    if count is not None:
        return count
    if not hasattr(candidates, "__len__"):
        raise ValueError("count: has to be given with a reference to the candidates")
    return len(candidates)  # type: ignore[arg-type]  # a reference has no length
