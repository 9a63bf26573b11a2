"""Both gateways of one process in front of one judge, from opening to an orderly end. Knows nothing of Ray."""

import asyncio
import logging
from collections.abc import Mapping

from oars.config import GatewayConfig
from reward_server.errors import BadSetting
from reward_server.gateway.grpc_server import GrpcGateway, server_credentials
from reward_server.gateway.handler import RequestHandler
from reward_server.gateway.http_app import http_app
from reward_server.gateway.http_server import HttpGateway
from reward_server.gateway.tokens import TokenSource, is_loopback
from reward_server.transports.base import Transport

_log = logging.getLogger(__name__)


class Gateway:
    """Create and open it inside the event loop that runs it."""

    def __init__(self, config: GatewayConfig, judge: Transport, environment: Mapping[str, str]) -> None:
        """Raises BadSetting for settings with which it must not, or cannot, open."""
        check_settings(config, environment)
        self._handler = RequestHandler(config, TokenSource(config, environment), judge)
        try:
            self._http = HttpGateway(http_app(self._handler), config) if config.http_port is not None else None
            credentials = server_credentials(config)
            self._grpc = GrpcGateway(self._handler, config, credentials) if config.grpc_port is not None else None
        except (OSError, RuntimeError) as error:
            raise BadSetting(f"host: {config.host} cannot be listened at: {error}") from error
        self._grace_s = config.drain_s
        self._watch: asyncio.Task[None] | None = None

    @property
    def http_port(self) -> int | None:
        return self._http.port if self._http else None

    @property
    def grpc_port(self) -> int | None:
        return self._grpc.port if self._grpc else None

    @property
    def alive(self) -> bool:
        return self._watch is not None and not self._watch.done() and (self._http is None or self._http.running)

    async def open(self) -> None:
        if self._http:
            await self._http.start()
        if self._grpc:
            await self._grpc.start()
        self._watch = asyncio.create_task(self._handler.watch())

    async def close(self) -> None:
        """Tell health checks, refuse what comes, finish what is inside, then close the ports."""
        await self._handler.drain()
        if self._watch:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._grpc:
            await self._grpc.stop(self._grace_s)
        if self._http:
            await self._http.stop()


def check_settings(config: GatewayConfig, environment: Mapping[str, str]) -> None:
    """Raises BadSetting, in one line, for what would open the gateway to the world, or not at all."""
    TokenSource(config, environment)
    for field in ("certificate", "key"):
        path = getattr(config, field)
        if path is not None and not path.is_file():
            raise BadSetting(f"{field}: no file {path}")
    if config.http_port is None and config.grpc_port is None:
        raise BadSetting("http_port, grpc_port: both gateways are shut")
    if not is_loopback(config.host) and config.certificate is None:
        _log.warning("%s without a certificate: tokens and pictures travel in the clear", config.host)
