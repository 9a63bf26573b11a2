"""COMPASS through its gRPC gateway: binary pictures, the call's own deadline, status codes as typed errors."""

from typing import Any

import grpc
import grpc.aio

from reward_server.errors import BadRequest, Overloaded, Unauthenticated, Unavailable
from reward_server.proto import compass_pb2 as pb
from reward_server.proto.compass_pb2_grpc import CompassStub
from reward_server.proto.convert import read_description, read_response, write_request
from reward_server.schema import Description, ScoreHeader, ScoreResponse
from reward_server.transports.base import pixels

DESCRIBE_S = 10.0
"""Deadline of a call that costs the service nothing."""
# The environment's proxies are not for a service in one's own network.
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]
_ABSENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED)


class GrpcTransport:
    """One channel, opened by the first call."""

    def __init__(self, target: str, tls: bool, token: str | None, roots: bytes | None) -> None:
        """`roots` are PEM certificates; None: the system's."""
        self._target, self._tls, self._roots = target, tls, roots
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._channel: grpc.aio.Channel | None = None

    async def score(self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float) -> ScoreResponse:
        first, *others = pixels(lr, candidates)
        message = write_request(header, first, others)
        return read_response(await self._call("Score", message, deadline_s))

    async def describe(self) -> Description:
        return read_description(await self._call("Describe", pb.DescribeRequest(), DESCRIBE_S))

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def _call(self, method: str, message: Any, deadline_s: float) -> Any:
        if self._channel is None:
            self._channel = self._open()
        try:
            return await getattr(CompassStub(self._channel), method)(
                message, timeout=deadline_s, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise _typed(error) from error

    def _open(self) -> grpc.aio.Channel:
        if not self._tls:
            return grpc.aio.insecure_channel(self._target, _OPTIONS)
        return grpc.aio.secure_channel(self._target, grpc.ssl_channel_credentials(self._roots), _OPTIONS)


def _typed(error: grpc.aio.AioRpcError) -> Exception:
    code, detail = error.code(), error.details() or ""
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return TimeoutError(detail)
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return Unauthenticated(detail)
    retry_after = dict(error.trailing_metadata() or ()).get("retry-after")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and retry_after is not None:
        return Overloaded(detail, float(retry_after))
    if code in _ABSENT:
        return Unavailable(detail, float(retry_after) if retry_after else None)
    return BadRequest(f"{code.name}: {detail}")
