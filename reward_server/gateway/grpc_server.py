"""The gRPC gateway: the service of proto/compass.proto, and the standard health service's Check.

Score is registered as a stream of one message. On the wire that is the same call; here it means that token, rate and
room are checked before the message is read, and that a message which does not come ends the call. Messages are parsed
by hand, so that bytes which are none are INVALID_ARGUMENT. What anybody may call without a token, Check, ends at once:
neither Watch nor reflection is served, whose calls stay open.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from oars.config import GatewayConfig
from reward_server.errors import Refusal, Refused
from reward_server.gateway.handler import RequestContext, RequestHandler, ScoreCall
from reward_server.proto import compass_pb2 as pb
from reward_server.proto.convert import read_request, write_description, write_response

SERVICE = pb.DESCRIPTOR.services_by_name["Compass"].full_name
STATUS = {
    Refusal.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    Refusal.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Refusal.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.TOO_SLOW: grpc.StatusCode.DEADLINE_EXCEEDED,
    Refusal.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Refusal.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
# A client that pings more often than this is disconnected.
_MIN_PING_MS = 10_000


class GrpcGateway:
    """Owns the server; create it inside the event loop that runs it."""

    def __init__(
        self, handler: RequestHandler, config: GatewayConfig, credentials: grpc.ServerCredentials | None
    ) -> None:
        self._handler, self._read_timeout_s = handler, config.read_timeout_s
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=config.max_connections,
            options=[
                ("grpc.max_receive_message_length", config.max_request_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", _MIN_PING_MS),
            ],
        )
        self._server.add_generic_rpc_handlers(self._handlers())
        host = f"[{config.host}]" if ":" in config.host else config.host
        address = f"{host}:{config.grpc_port}"
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)

    async def start(self) -> None:
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        await self._server.stop(grace_s)

    def _handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        def serialise(message: Any) -> bytes:
            return message.SerializeToString()

        ours = {
            "Score": grpc.stream_unary_rpc_method_handler(self._score, None, serialise),
            "Describe": grpc.stream_unary_rpc_method_handler(self._describe, None, serialise),
        }
        health = {"Check": grpc.unary_unary_rpc_method_handler(self._check, None, serialise)}
        return (
            grpc.method_handlers_generic_handler(SERVICE, ours),
            grpc.method_handlers_generic_handler(_HEALTH, health),
        )

    async def _check(self, data: bytes, context: grpc.aio.ServicerContext) -> health_pb2.HealthCheckResponse:
        """Health of the gateway for the empty name, of the judge behind it for the service's name."""
        try:
            name = health_pb2.HealthCheckRequest.FromString(data).service
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not a HealthCheckRequest")
        if name not in ("", SERVICE):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {name!r}")
        serving = self._handler.ready if name else not self._handler.draining
        kind = health_pb2.HealthCheckResponse
        return kind(status=kind.SERVING if serving else kind.NOT_SERVING)

    async def _score(self, messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> pb.ScoreResponse:
        try:
            with self._admit(context) as admitted:
                data = await self._message(messages, admitted)
                response = await self._handler.score(
                    admitted, lambda: ScoreCall(*read_request(data)), _remaining(context)
                )
        except Refused as error:
            await _abort(context, error)
        return write_response(response)

    async def _describe(self, messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> pb.Description:
        try:
            with self._admit(context) as admitted:
                await self._message(messages, admitted)
                description = await self._handler.describe()
        except Refused as error:
            await _abort(context, error)
        return write_description(description)

    def _admit(self, context: grpc.aio.ServicerContext) -> Any:
        metadata = dict(context.invocation_metadata() or ())
        return self._handler.admit(_text(metadata.get("authorization")), _peer(context.peer()))

    async def _message(self, messages: AsyncIterator[bytes], admitted: RequestContext) -> bytes:
        try:
            async with asyncio.timeout(self._read_timeout_s):
                data = await anext(aiter(messages), None)
        except TimeoutError as error:
            detail = f"the message did not come within {self._read_timeout_s:g} s"
            raise Refused(Refusal.TOO_SLOW, detail) from error
        if data is None:
            raise Refused(Refusal.BAD_REQUEST, "no message")
        admitted.receive(len(data))
        return data


def server_credentials(config: GatewayConfig) -> grpc.ServerCredentials | None:
    """None without a certificate in the config."""
    if config.certificate is None or config.key is None:
        return None
    return grpc.ssl_server_credentials([(config.key.read_bytes(), config.certificate.read_bytes())])


def _remaining(context: grpc.aio.ServicerContext) -> float | None:
    """Seconds to the call's deadline, if it has one."""
    return context.time_remaining()


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _peer(peer: str) -> str:
    """The address without its port, of `ipv4:127.0.0.1:4711`."""
    return peer.rpartition(":")[0]


async def _abort(context: grpc.aio.ServicerContext, error: Refused) -> None:
    wait = () if error.retry_after_s is None else (("retry-after", str(math.ceil(error.retry_after_s))),)
    await context.abort(STATUS[error.refusal], error.detail, wait)
