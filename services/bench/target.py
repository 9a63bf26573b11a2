"""Target of a load: one gateway of a COMPASS and, inside its cluster, its engines' statistics."""

import asyncio
import functools
import operator
from typing import Any

from oars.config import JudgeConfig, RewardClientConfig
from reward_server.schema import ScoreHeader, ScoreResponse
from reward_server.statistics import EngineStatistics, ReplicaReport
from reward_server.transports.base import Transport
from reward_server.transports.connect import connect
from services.bench.load import Send
from services.bench.requests import Groups

# Beyond this an engine is gone, not slow.
_REPORT_S = 30.0


def sender(
    client: RewardClientConfig, judge: JudgeConfig, groups: Groups, load_id: str, first: int
) -> tuple[Transport, Send]:
    """The open connection, and what sends group first + n over it as request `load_id`-n, once: a load generator
    that repeats would hide what it measures."""
    transport = connect(client, judge)

    async def send(number: int) -> ScoreResponse:
        group = groups[first + number]
        header = ScoreHeader(request_id=f"{load_id}-{number}")
        async with asyncio.timeout(client.deadline_s):
            return await transport.score(header, group.lr, group.candidates, client.deadline_s)

    return transport, send


async def replica_reports(app: str) -> list[ReplicaReport]:
    """Statistics of every running replica; only inside the cluster."""
    from ray import serve

    handle: Any = await asyncio.to_thread(serve.get_app_handle, app)
    async with asyncio.timeout(_REPORT_S):
        return list(await handle.broadcast("report").results_async())


def total(replicas: list[ReplicaReport]) -> EngineStatistics:
    """Added up."""
    return functools.reduce(operator.add, (replica.engine for replica in replicas), EngineStatistics())
