"""COMPASS by deployment handle: inside the Ray cluster, arrays by reference."""

import asyncio
from contextlib import suppress
from typing import Any

from ray import serve
from ray.exceptions import (
    ObjectLostError,
    RayActorError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)
from ray.serve.exceptions import BackPressureError, RayServeException

from reward_server.errors import BadRequest, EngineDied, Overloaded, Unavailable
from reward_server.schema import Description, ScoreHeader, ScoreResponse

# Somebody or something is not there; a later attempt may find it. RayServeException covers a replica or deployment that
# is unavailable, and an application that is not deployed (yet).
_ABSENT = (RayActorError, WorkerCrashedError, TaskCancelledError, ObjectLostError, RayServeException, EngineDied)


def _absent(error: Exception) -> Unavailable | None:
    """Map Ray's many errors for an absent actor to ours; None for a defect, which no retry fixes."""
    if isinstance(error, BackPressureError):
        return Overloaded(_line(error))
    return Unavailable(_line(error)) if isinstance(error, _ABSENT) else None


class HandleTransport:
    """Calls the application's deployment; the handle is looked up again after a failure, as it may be deployed anew."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._handle: Any = None

    async def score(self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float) -> ScoreResponse:
        return await self._call("score", header, lr, candidates)

    async def describe(self) -> Description:
        return await self._call("describe")

    async def close(self) -> None:
        self._handle = None

    async def _call(self, method: str, *arguments: Any) -> Any:
        response = None
        try:
            if self._handle is None:
                self._handle = await asyncio.to_thread(serve.get_app_handle, self._app)
            response = getattr(self._handle, method).remote(*arguments)
            return await response
        except asyncio.CancelledError:
            _cancel(response)
            raise
        except (RayError, RayServeException, EngineDied, BadRequest) as error:
            self._handle = None
            raise typed(error) from error


def typed(error: Exception) -> Exception:
    """Map a failed call to Overloaded, Unavailable or BadRequest, or to itself if it is a defect."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    return cause if isinstance(cause, BadRequest) else _absent(error) or error


def _cancel(response: Any) -> None:
    """Work whose answer nobody awaits would multiply the load when there is least room."""
    if response is not None:
        # A request that never reached a replica has nothing to cancel; Serve says so by raising why it did not.
        with suppress(*_ABSENT):
            response.cancel()


def _line(error: Exception) -> str:
    """The first line of what a replica raised, without the traceback that Ray puts around it."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    return f"{type(cause).__name__} {next(iter(str(cause).splitlines()), '')}".strip()
