"""The service that the reward benchmarks measure: one replica of the shipped judge in a cluster of its own, gateways
open.

The model takes one thread, the rest of the service and the load generator what is left of the machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from services.bench.measure import Plan
from services.bench.requests import Groups
from services.launch.cluster import cluster, needed_cpus
from services.launch.serving import deploy, deploy_gateway, endpoints, gateway_config

CANDIDATES = 8
SPARE_CPUS = 2  # logical ones, for the gateway and a second replica


@dataclass(frozen=True)
class Service:
    """A COMPASS that is warm."""

    config: RunConfig
    http: str
    grpc: str
    """Endpoints of its gateways."""

    def plan(self, groups: Groups, endpoint: str | None, seconds: float, **load: Any) -> Plan:
        """A load on one gateway; None is the handle."""
        client = self.config.reward.model_copy(update={"endpoint": endpoint})
        return Plan(client, self.config.judge, groups, seconds, **load)


@contextmanager
def service(*overrides: str, requests_per_s: float = 10_000.0) -> Iterator[Service]:
    """The tiny profile's judge with these fields; the gateways' rate limit does not limit the load."""
    config = load_profile(deploy_path(), [f"rollout.candidates={CANDIDATES}", *overrides])
    with cluster(needed_cpus(config) + SPARE_CPUS, None):
        deploy(config.judge, config.reward.app)
        gateway = gateway_config(http_port=0, grpc_port=0, requests_per_s=requests_per_s)
        http, grpc = endpoints(gateway, deploy_gateway(gateway))
        yield Service(config, http, grpc)


def groups_of(config: RunConfig) -> Groups:
    return Groups(config.data, config.data.crop, CANDIDATES)
