"""The request handler that both gateways share: authentication, limits, and the call to the judge.

Order of the checks: token, rate and room (before a byte is read), bytes (while they come), counts and claimed pixels
(before a picture is decoded), then decoding beside the event loop, then the judge. Every refusal is a `Refused`; each
gateway turns it into its own status. Nothing is repeated here: a caller is told when to come back. Cancelling `score`,
as a passed deadline or a vanished client does, cancels the judge's work.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from oars.compass.outcome import Failed
from oars.config import GatewayConfig
from reward_server.errors import BadRequest, Overloaded, Refusal, Refused, Unavailable
from reward_server.gateway.rate_limiter import RateLimiter
from reward_server.gateway.tokens import TokenSource
from reward_server.pictures import Candidate, Sent, decode_all
from reward_server.schema import Description, ScoreHeader, ScoreResponse, check_count
from reward_server.transports.base import Transport

# Between two questions whether the judge answers, and how long it has for one.
WATCH_EVERY_S, ANSWER_S = 2.0, 5.0
# A question waits in the queue of the groups. While it does, an answered group that is no older says that the judge is
# there: a full queue must not look like an absent judge.
_LATELY_S = 2 * ANSWER_S
# What callers are told while no judge answers: a replica is replaced in a few times this.
_RETRY_ABSENT_S = 3.0
_RETRY_OVERLOAD_S = 1.0
_DRAIN_STEP_S = 0.05

T = TypeVar("T")


@dataclass(frozen=True)
class ScoreCall:
    """A request as it came through a gateway."""

    header: ScoreHeader
    lr: Sent
    candidates: list[Sent]
    deadline_s: float | None = None


@dataclass
class RequestContext:
    """One request inside the gateway, and the bytes it holds."""

    rate_limiter: RateLimiter
    max_bytes: int
    received: int = 0
    charged: int = 0

    def receive(self, count: int) -> None:
        """Count bytes of the body. Raises Refused: TOO_LARGE or OVERLOADED."""
        self.received += count
        if self.received > self.max_bytes:
            raise Refused(Refusal.TOO_LARGE, f"more than {self.max_bytes} bytes")
        self.charge(count)

    def charge(self, count: int) -> None:
        self.rate_limiter.charge(count)
        self.charged += count


class RequestHandler:
    """One per gateway process; lives in the event loop that creates it."""

    def __init__(
        self, config: GatewayConfig, tokens: TokenSource, judge: Transport, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config
        self._tokens, self._judge, self._clock = tokens, judge, clock
        self._rate_limiter = RateLimiter(config)
        self._threads = ThreadPoolExecutor(config.decode_threads, thread_name_prefix="decode")
        self._description: Description | None = None
        self._answers = False
        self._answered_at = -math.inf
        self.draining = False

    @property
    def ready(self) -> bool:
        """A judge answers, and the gateway is not closing."""
        return self._answers and not self.draining

    @contextmanager
    def admit(self, authorization: str | None, peer: str) -> Iterator[RequestContext]:
        """Let one request in, by its `authorization` header or metadata; `peer` is the address it comes from.

        Raises Refused.
        """
        client = self._client(authorization, peer)
        if self.draining:
            raise Refused(Refusal.UNAVAILABLE, "this gateway is closing", _RETRY_ABSENT_S)
        entered = self._clock()
        self._rate_limiter.enter(client, entered)
        context = RequestContext(self._rate_limiter, self.config.max_request_bytes)
        try:
            yield context
        finally:
            self._rate_limiter.leave(client, context.charged, self._clock() - entered)

    async def score(
        self, context: RequestContext, parse: Callable[[], ScoreCall], deadline_s: float | None
    ) -> ScoreResponse:
        """Judge what `parse` makes of the body, in a thread. Raises Refused."""
        started = self._clock()
        limit = min(self.config.deadline_s, deadline_s or self.config.deadline_s)
        try:
            async with asyncio.timeout(limit) as timeout:
                call, (lr, *candidates) = await self._in_thread(lambda: self._decode(parse()))
                if call.deadline_s is not None and call.deadline_s < limit:
                    timeout.reschedule(asyncio.get_running_loop().time() - (self._clock() - started) + call.deadline_s)
                context.charge(sum(picture.nbytes for picture in (lr, *candidates) if not isinstance(picture, Failed)))
                decoded = self._clock()
                response = await self._judge.score(call.header, lr, candidates, limit)
                self._answered_at = self._clock()
        except TimeoutError as error:
            raise Refused(Refusal.DEADLINE, "the deadline passed; the work is cancelled") from error
        except BadRequest as error:
            raise Refused(Refusal.BAD_REQUEST, str(error)) from error
        except Unavailable as error:
            raise _refused(error) from error
        return _timed(response, decoded - started, self._clock() - started)

    async def describe(self) -> Description:
        """The judge's description, or its last one if the judge is busy. Raises Refused."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._judge.describe()
        except (TimeoutError, Overloaded) as error:
            if self._description is None or self._clock() - self._answered_at > _LATELY_S:
                raise _absent() from error
            return self._description
        except Unavailable as error:
            raise _absent() from error

    async def watch(self) -> None:
        """Keep `ready` and the judge's limits true, until cancelled."""
        while True:
            try:
                self._description, self._answers = await self.describe(), True
            except Refused:
                self._answers = False
            await asyncio.sleep(WATCH_EVERY_S)

    async def drain(self) -> None:
        """Refuse what comes, finish what is inside, for at most the config's `drain_s`."""
        self.draining = True
        until = self._clock() + self.config.drain_s
        while self._rate_limiter.inside and self._clock() < until:
            await asyncio.sleep(_DRAIN_STEP_S)
        self._threads.shutdown(wait=False)

    def _client(self, authorization: str | None, peer: str) -> str:
        tokens = self._tokens.now()
        if tokens is None:
            return peer
        client = tokens.client(authorization, time.time())
        if client is None:
            raise Refused(Refusal.UNAUTHENTICATED, "no token, an unknown one, or one that has expired")
        return client

    def _decode(self, call: ScoreCall) -> tuple[ScoreCall, list[Candidate]]:
        """Raises BadRequest, or Unavailable while the judge's limits are not known."""
        limits = self._description
        if limits is None:
            raise Unavailable("no judge has answered yet", _RETRY_ABSENT_S)
        check_count(len(call.candidates), limits.max_candidates)
        return call, decode_all(call.lr, call.candidates, limits.max_pixels, self.config.max_request_pixels)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _absent() -> Refused:
    return Refused(Refusal.UNAVAILABLE, "no judge answers", _RETRY_ABSENT_S)


def _refused(error: Unavailable) -> Refused:
    if isinstance(error, Overloaded):
        return Refused(Refusal.OVERLOADED, "the judge has too much to do", error.retry_after_s or _RETRY_OVERLOAD_S)
    return Refused(Refusal.UNAVAILABLE, str(error), error.retry_after_s or _RETRY_ABSENT_S)


def _timed(response: ScoreResponse, decode_s: float, gateway_s: float) -> ScoreResponse:
    if response.provenance is None:
        return response
    provenance = response.provenance.model_copy(update={"decode_s": decode_s, "gateway_s": gateway_s})
    return response.model_copy(update={"provenance": provenance})
