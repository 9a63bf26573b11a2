"""How the cluster calls COMPASS: a deadline on every attempt, bounded retries, and then typed failures.

Serve does not repeat a request that a dying replica had started, so this client does, under the same request id. Every
attempt that is given up is cancelled: work whose answer nobody awaits would multiply the load when there is least room.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import ray
from ray import serve
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError, TaskCancelledError, WorkerCrashedError
from ray.serve.exceptions import RayServeException

from oars.compass.outcome import Failed, FailureReason
from oars.config import RewardClientConfig
from reward_server.errors import EngineDied
from reward_server.metrics import ClientMetrics
from reward_server.pictures import Pixels
from reward_server.retry import GiveUp, after_failure
from reward_server.schema import ScoreHeader, ScoreResponse

Pictures: TypeAlias = Pixels | Sequence[Pixels] | ray.ObjectRef

# Somebody or something is not there; a later attempt may find it. RayServeException covers back-pressure, a replica or
# deployment that is unavailable, and an application that is not deployed (yet).
_ABSENT = (RayActorError, WorkerCrashedError, TaskCancelledError, ObjectLostError, RayServeException, EngineDied)


def failure_of(error: Exception) -> FailureReason | None:
    """Why an attempt got no answer; None for a defect, which no retry mends and which must be seen."""
    if isinstance(error, TimeoutError):
        return FailureReason.DEADLINE
    return FailureReason.UNAVAILABLE if isinstance(error, _ABSENT) else None


class CompassClient:
    """One per process. Any number of groups may be scored at once."""

    def __init__(
        self,
        config: RewardClientConfig,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        on_failure: Callable[[str, Failed], None] = lambda request_id, failure: None,
    ) -> None:
        """`on_failure` is told of every attempt that got no answer, by its request's id."""
        self._config = config
        self._draw, self._clock, self._on_failure = draw, clock, on_failure
        self._handle: Any = None
        self._metrics = ClientMetrics()

    async def score(
        self,
        request_id: str,
        lr: Pixels | ray.ObjectRef,
        candidates: Pictures,
        fidelity: Sequence[float] | None = None,
        deadline_s: float | None = None,
        count: int | None = None,
    ) -> ScoreResponse:
        """K outcomes. LR uint8 [h, w, 3], candidates uint8 [K, H, W, 3]; `fidelity` [K] replaces the judge's F.

        `deadline_s` bounds one attempt (default: the config's). `count` is K; it has to be given with a reference, so
        that each candidate can fail when nobody answers. Raises BadRequest.
        """
        slots = _slots(candidates, count)
        given = None if fidelity is None else tuple(fidelity)
        started = self._clock()
        failures: list[FailureReason] = []
        for attempt in itertools.count():
            header = ScoreHeader(request_id=request_id, attempt=attempt, fidelity=given)
            answer = await self._attempt(header, lr, candidates, deadline_s or self._config.deadline_s)
            if isinstance(answer, ScoreResponse):
                return answer
            failures.append(answer.reason)
            self._metrics.failed_attempt(answer.reason)
            self._on_failure(request_id, answer)
            decision = after_failure(failures, self._clock() - started, self._config, self._draw())
            if isinstance(decision, GiveUp):
                break
            await asyncio.sleep(decision.wait_s)
        return ScoreResponse(
            request_id=request_id, outcomes=[answer] * slots, judged_fidelity=[None] * slots, provenance=None
        )

    async def _attempt(
        self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float
    ) -> ScoreResponse | Failed:
        response = None
        try:
            async with asyncio.timeout(deadline_s):
                handle = await self._connect()
                response = handle.score.remote(header, lr, candidates)
                return await response
        except asyncio.CancelledError:
            _cancel(response)
            raise
        except Exception as error:  # the process boundary: Ray has many ways to say that nobody is there
            _cancel(response)
            self._handle = None
            reason = failure_of(error)
            if reason is None:
                raise
            return Failed(reason=reason, detail=f"attempt {header.attempt}: {_line(error)}")

    async def _connect(self) -> Any:
        """The handle; looked up again after a failure, because the application may have been deployed anew."""
        if self._handle is None:
            self._handle = await asyncio.to_thread(serve.get_app_handle, self._config.app)
        return self._handle


def _slots(candidates: Pictures, count: int | None) -> int:
    if count is not None:
        return count
    if isinstance(candidates, ray.ObjectRef):
        raise ValueError("count: has to be given with a reference to the candidates")
    return len(candidates)


def _cancel(response: Any) -> None:
    if response is not None:
        response.cancel()


def _line(error: Exception) -> str:
    """The first line of what a replica raised, without the traceback that Ray puts around it."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    return f"{type(cause).__name__} {next(iter(str(cause).splitlines()), '')}".strip()
