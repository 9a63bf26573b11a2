"""COMPASS through its HTTP gateway: JSON with PNG in base64. Slower than gRPC, and reachable by everything."""

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

import httpx

from oars.imaging.image_io import Pixels, encode_png
from reward_server.errors import BadRequest, Overloaded, Unauthenticated, Unavailable
from reward_server.schema import Description, HttpScoreRequest, Problem, ScoreHeader, ScoreResponse
from reward_server.transports.base import pixels

_CONNECT_S = 5.0
_GRACE_S = 1.0
"""Longer than the deadline that the service is told, so that its own answer about it arrives."""


class HttpTransport:
    """One connection pool, opened by the first call."""

    def __init__(self, url: str, token: str | None, ca_file: Path | None) -> None:
        self._http = JsonHttp(url, token, ca_file)

    async def score(self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float) -> ScoreResponse:
        encoded = await asyncio.to_thread(lambda: [_base64(picture) for picture in pixels(lr, candidates)])
        request = HttpScoreRequest(
            **header.model_dump(), lr=encoded[0], candidates=encoded[1:], deadline_s=deadline_s
        ).model_dump_json()
        return ScoreResponse.model_validate_json(await self._http.post("/v1/score", request, deadline_s + _GRACE_S))

    async def describe(self) -> Description:
        return Description.model_validate_json(await self._http.get("/v1/describe", _CONNECT_S))

    async def close(self) -> None:
        await self._http.close()


class JsonHttp:
    """HTTP with a bearer token, failures typed as every transport's."""

    def __init__(self, url: str, token: str | None, ca_file: Path | None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        self._ca_file = ca_file
        self._client: httpx.AsyncClient | None = None

    async def get(self, path: str, timeout_s: float) -> bytes:
        return await self._call("GET", path, None, timeout_s)

    async def post(self, path: str, body: str, timeout_s: float) -> bytes:
        return await self._call("POST", path, body, timeout_s)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _call(self, method: str, path: str, body: str | None, timeout_s: float) -> bytes:
        if self._client is None:
            verify = ssl.create_default_context(cafile=self._ca_file) if self._ca_file else True
            # The environment's proxies and netrc are not for a service in one's own network.
            limits = httpx.Limits(max_connections=None)
            self._client = httpx.AsyncClient(verify=verify, headers=self._headers, trust_env=False, limits=limits)
        timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))
        try:
            answer = await self._client.request(method, self._url + path, content=body, timeout=timeout)
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unavailable(f"{self._url}: no connection") from error
        except httpx.TimeoutException as error:
            raise TimeoutError(f"{self._url}: no answer within {timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise Unavailable(f"{self._url}: {error}") from error
        if answer.status_code == httpx.codes.OK:
            return answer.content
        raise _typed(answer)


def _base64(picture: Pixels) -> str:
    return base64.b64encode(encode_png(picture)).decode()


def _typed(answer: httpx.Response) -> Exception:
    detail = f"HTTP {answer.status_code}: {_detail(answer)}"
    retry_after = answer.headers.get("retry-after", "")
    wait_s = float(retry_after) if retry_after.isdecimal() else None
    match answer.status_code:
        case 401 | 403:
            return Unauthenticated(detail)
        case 408 | 504:
            return TimeoutError(detail)
        case 429:
            return Overloaded(detail, wait_s)
        case code if code >= 500:
            return Unavailable(detail, wait_s)
        case _:
            return BadRequest(detail)


def _detail(answer: httpx.Response) -> str:
    try:
        return Problem.model_validate_json(answer.content).detail
    except ValueError:
        return answer.text[:200]
