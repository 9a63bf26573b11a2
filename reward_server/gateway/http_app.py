"""The HTTP gateway's application: /v1/score and /v1/describe behind tokens, /healthz, /readyz and /openapi.json open.

A body is read by hand, so that nothing is read for a caller without a token, and no more than is allowed; it is parsed
in a thread. A client that goes away takes its work with it.
"""

import asyncio
import math
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Request, Security
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from reward_server.errors import BadRequest, Refusal, Refused
from reward_server.gateway.handler import RequestContext, RequestHandler, ScoreCall
from reward_server.pictures import from_base64
from reward_server.proto.convert import describe_errors
from reward_server.schema import (
    API_VERSION,
    Description,
    HttpScoreRequest,
    Liveness,
    Problem,
    ScoreHeader,
    ScoreResponse,
)

T = TypeVar("T")

STATUS = {
    Refusal.BAD_REQUEST: 422,
    Refusal.UNAUTHENTICATED: 401,
    Refusal.TOO_LARGE: 413,
    Refusal.TOO_SLOW: 408,
    Refusal.RATE_LIMITED: 429,
    Refusal.OVERLOADED: 429,
    Refusal.UNAVAILABLE: 503,
    Refusal.DEADLINE: 504,
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": " or ".join(r.value for r, s in STATUS.items() if s == status)}
    for status in sorted(set(STATUS.values()))
}
_BODY = {"required": True, "content": {"application/json": {"schema": HttpScoreRequest.model_json_schema()}}}
_VERSION = f"/v{API_VERSION}"
# Says so in the OpenAPI document; the handler is who checks.
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]


class _Gone(Exception):
    """The client has closed the connection."""


def http_app(handler: RequestHandler) -> FastAPI:
    # No pages that load scripts from elsewhere; /openapi.json is what tools read.
    app = FastAPI(title="COMPASS", version=str(API_VERSION), docs_url=None, redoc_url=None)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return _problem(error)

    @app.exception_handler(_Gone)
    async def gone(request: Request, error: _Gone) -> Response:
        return Response(status_code=499)  # never sent

    @app.post(
        f"{_VERSION}/score", response_model=ScoreResponse, responses=_REFUSALS, openapi_extra={"requestBody": _BODY}
    )
    async def score(request: Request, bearer: _Bearer) -> Response:
        """Judge the K candidates of one LR."""
        with handler.admit(request.headers.get("authorization"), _peer(request)) as context:
            body = await _body(request, context, handler.config.read_timeout_s)
            response = await _unless_gone(request, handler.score(context, lambda: parse_body(body), None))
        return Response(response.model_dump_json(), media_type="application/json")

    @app.get(f"{_VERSION}/describe", responses={code: _REFUSALS[code] for code in (401, 429, 503)})
    async def describe(request: Request, bearer: _Bearer) -> Description:
        """Describe this COMPASS: judge, limits."""
        with handler.admit(request.headers.get("authorization"), _peer(request)):
            return await handler.describe()

    @app.get("/healthz")
    async def healthz() -> Liveness:
        """The gateway's event loop turns."""
        return Liveness(status="alive")

    @app.get("/readyz", responses={503: _REFUSALS[503]})
    async def readyz() -> Liveness:
        """A judge is loaded, warm and alive, and this gateway is not closing."""
        if not handler.ready:
            raise Refused(Refusal.UNAVAILABLE, "this gateway is closing" if handler.draining else "no judge answers")
        return Liveness(status="ready")

    return app


def _problem(error: Refused) -> Response:
    problem = Problem(error=error.refusal, detail=error.detail, retry_after_s=error.retry_after_s)
    headers = {} if error.retry_after_s is None else {"retry-after": str(math.ceil(error.retry_after_s))}
    if error.refusal is Refusal.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(problem.model_dump(), STATUS[error.refusal], headers)


def _peer(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def _body(request: Request, context: RequestContext, timeout_s: float) -> bytes:
    """Raises Refused for a body that is too long or does not come."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > context.max_bytes:
        raise Refused(Refusal.TOO_LARGE, f"{length} bytes, at most {context.max_bytes} are accepted")
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                context.receive(len(chunk))
                body += chunk
    except TimeoutError as error:
        raise Refused(Refusal.TOO_SLOW, f"the body did not come within {timeout_s:g} s") from error
    except ClientDisconnect as error:
        raise _Gone from error
    return bytes(body)


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """The work's result; the work is cancelled when the client disconnects."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise _Gone
        return task.result()
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def parse_body(body: bytes) -> ScoreCall:
    """Raises BadRequest."""
    try:
        # Strict: neither `true` nor "1" is a number, as the OpenAPI document says.
        request = HttpScoreRequest.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise BadRequest(describe_errors(error)) from error
    header = ScoreHeader(**request.model_dump(exclude={"lr", "candidates", "deadline_s"}))
    candidates = [from_base64(text, f"candidate {k}") for k, text in enumerate(request.candidates)]
    return ScoreCall(header, from_base64(request.lr, "LR"), candidates, request.deadline_s)
