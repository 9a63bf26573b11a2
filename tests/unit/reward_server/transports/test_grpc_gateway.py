"""The gRPC client reaches a service of one's own network whatever proxy the environment names."""

import asyncio

import grpc
import grpc.aio
import pytest

from oars.config import JudgeConfig
from reward_server.proto import compass_pb2 as pb
from reward_server.proto.compass_pb2_grpc import CompassServicer, add_CompassServicer_to_server
from reward_server.proto.convert import write_description
from reward_server.schema import Description
from reward_server.transports.grpc_gateway import GrpcTransport

DESCRIPTION = Description.of(JudgeConfig(), "0" * 64, "v1", ["fidelity"])


class _Service(CompassServicer):
    async def Describe(self, request: pb.DescribeRequest, context: object) -> pb.Description:
        return write_description(DESCRIPTION)


async def described() -> Description:
    server = grpc.aio.server()
    add_CompassServicer_to_server(_Service(), server)
    port = server.add_insecure_port("localhost:0")
    await server.start()
    transport = GrpcTransport(f"localhost:{port}", tls=False, token=None, roots=None)
    try:
        return await transport.describe()
    finally:
        await transport.close()
        await server.stop(None)


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert asyncio.run(described()) == DESCRIPTION
