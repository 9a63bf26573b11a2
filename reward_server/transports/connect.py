"""Builds the transport for an endpoint in the config."""

import os
from pathlib import Path

from oars.config import JudgeConfig, RewardClientConfig
from reward_server.errors import BadSetting
from reward_server.transports.base import Transport

TOKEN_VARIABLE = "OARS_COMPASS_TOKEN"


def connect(config: RewardClientConfig, judge: JudgeConfig) -> Transport:
    """Opens nothing yet. Raises BadSetting for a token or CA file that cannot be read.

    Each transport's libraries are imported only where it is used: a client outside the cluster needs no Ray.
    """
    if config.endpoint is None:
        from reward_server.transports.handle import HandleTransport

        return HandleTransport(config.app)
    scheme, _, address = config.endpoint.partition("://")
    token = _token(config.token_file)
    if scheme in ("grpc", "grpcs"):
        from reward_server.transports.grpc_gateway import GrpcTransport

        roots = config.ca_file and _read(config.ca_file, "ca_file")
        return GrpcTransport(address.rstrip("/"), scheme == "grpcs", token, roots or None)
    if scheme.startswith("openai+"):
        from reward_server.transports.openai_server import OpenAITransport

        return OpenAITransport(config.endpoint.removeprefix("openai+"), token, config.ca_file, judge)
    from reward_server.transports.http_gateway import HttpTransport

    return HttpTransport(config.endpoint, token, config.ca_file)


def _token(path: Path | None) -> str | None:
    return _read(path, "token_file").decode().strip() if path else os.environ.get(TOKEN_VARIABLE)


def _read(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSetting(f"{field}: {path} cannot be read: {error.strerror or error}") from error
