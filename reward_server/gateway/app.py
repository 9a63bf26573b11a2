"""The gateways as a Ray Serve application beside COMPASS, so that replacing a judge cuts no caller's connection.

A replica listens at ports of its own. Serve's proxies cannot do this part: the gRPC one speaks no TLS, and both read a
whole request before anybody has asked for its token.
"""

import os
from typing import Any

from ray import serve
from ray.serve import Application

from oars.config import GatewayConfig
from reward_server.gateway.gateway import Gateway
from reward_server.transports.handle import HandleTransport

DEPLOYMENT = "CompassGateway"


# What keeps a gateway shut, such as a port that is taken, persists.
@serve.deployment(name=DEPLOYMENT, max_constructor_retry_count=2)
class CompassGateway:
    async def __init__(self, config: GatewayConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        self._gateway = Gateway(config, HandleTransport(config.app), os.environ)
        await self._gateway.open()

    async def ports(self) -> tuple[int | None, int | None]:
        """Addresses it listens on: HTTP, gRPC."""
        return self._gateway.http_port, self._gateway.grpc_port

    async def check_health(self) -> None:
        if not self._gateway.alive:
            raise RuntimeError("a gateway has stopped listening")

    async def __del__(self) -> None:
        """Serve's hook for an orderly end."""
        if gateway := getattr(self, "_gateway", None):
            await gateway.close()


def application(config: GatewayConfig, **options: Any) -> Application:
    """`options` are those of a Serve deployment, as in deploy/serve/compass.yaml."""
    gateway: Any = CompassGateway  # what the decorator makes of the class
    # It mostly waits, and must find a place beside replicas that reserve every CPU.
    return gateway.options(ray_actor_options={"num_cpus": 0}, **options).bind(config)


def app(args: GatewayConfig) -> Application:
    """Builder that `import_path: reward_server.gateway.app:app` names; `args` are the fields of GatewayConfig."""
    return application(args)
