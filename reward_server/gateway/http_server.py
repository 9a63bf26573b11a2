"""The HTTP gateway's server: uvicorn with a deadline on headers, and a socket that a successor can share."""

import asyncio
import logging
import socket
from typing import Any

import h11
import uvicorn

from oars.config import GatewayConfig
from reward_server.compat.uvicorn import H11Protocol

_BACKLOG = 128


class HttpGateway:
    """Owns server and socket; create it inside the event loop that runs it."""

    def __init__(self, app: Any, config: GatewayConfig) -> None:
        assert config.http_port is not None
        self._socket = _listen(config.host, config.http_port)
        self.port: int = self._socket.getsockname()[1]
        # It writes a line for every request that is no HTTP.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_timed(config.read_timeout_s),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # Addresses are clients here; a header must not choose them.
                proxy_headers=False,
                limit_concurrency=config.max_connections,
                timeout_graceful_shutdown=max(1, round(config.drain_s)),
                ssl_certfile=config.certificate,
                ssl_keyfile=config.key,
            )
        )
        self._running: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._running is not None and not self._running.done()

    async def start(self) -> None:
        self._running = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            await asyncio.sleep(0.01)
            if self._running.done():
                self._running.result()

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._running is not None:
            await self._running
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    """Shared by port, as gRPC's own are: a replacing gateway listens before this one has drained."""
    [family, kind, protocol, _, address] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(address)
    listener.listen(_BACKLOG)
    return listener


def _timed(headers_s: float) -> type[H11Protocol]:
    """A protocol that closes a connection whose request headers take longer than `headers_s`."""

    class TimedProtocol(H11Protocol):
        _overdue: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._overdue = self.loop.call_later(headers_s, transport.close)

        def handle_events(self) -> None:
            super().handle_events()
            waiting = self.conn.their_state is h11.IDLE
            if self._overdue is not None and not waiting:
                self._overdue.cancel()
                self._overdue = None
            elif self._overdue is None and waiting and self.conn.trailing_data[0]:
                self._overdue = self.loop.call_later(headers_s, self.transport.close)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._overdue is not None:
                self._overdue.cancel()
            super().connection_lost(exc)

    return TimedProtocol
