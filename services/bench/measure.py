"""One measurement of a COMPASS: a load on one gateway, and the account of it."""

import asyncio
import uuid
from dataclasses import dataclass

from oars.config import JudgeConfig, RewardClientConfig
from reward_server.client import answered
from services.bench.account import Account, EngineAccount, as_details
from services.bench.load import Sample, closed_loop, open_loop
from services.bench.requests import Groups
from services.bench.result import Result
from services.bench.target import replica_reports, sender, total

# So that the first counted request meets a connection that is open and an engine that is warm.
_UNCOUNTED = 2


@dataclass(frozen=True)
class Plan:
    """Settings of the load."""

    client: RewardClientConfig
    """Its endpoint is the gateway."""
    judge: JudgeConfig
    """Formula and limits for an OpenAI-compatible endpoint; unused elsewhere."""
    groups: Groups
    seconds: float
    concurrency: int = 4
    """Requests under way in the closed loop; unused in the open one."""
    rate: float | None = None
    """Requests a second of the open loop; None: closed loop."""
    first: int = 0
    """Number of the first group: two loads that share one find the engine's caches warm."""


@dataclass(frozen=True)
class Measured:
    samples: list[Sample]
    account: Account
    engine: EngineAccount | None
    """None from outside the cluster."""


async def measure(plan: Plan) -> Measured:
    """Load it and account for it. Raises NoCompass where there is none."""
    load_id, inside = uuid.uuid4().hex[:8], plan.client.endpoint is None
    transport, send = sender(plan.client, plan.judge, plan.groups, load_id, plan.first)
    try:
        with answered(plan.client):
            # From the far end of the sequence, so that nothing that is counted is known already.
            await asyncio.gather(*(send(plan.groups.period - 1 - number - plan.first) for number in range(_UNCOUNTED)))
        before = await replica_reports(plan.client.app) if inside else []
        if plan.rate is None:
            samples = await closed_loop(send, plan.concurrency, lambda elapsed: elapsed < plan.seconds)
        else:
            samples = await open_loop(send, plan.rate, plan.seconds)
        after = await replica_reports(plan.client.app) if inside else []
    finally:
        await transport.close()
    engine = EngineAccount.of(total(after) - total(before)) if inside else None
    return Measured(samples, Account.of(samples), engine)


def result(plan: Plan, measured: Measured, name: str = "bench_reward") -> Result:
    """The benchmark result; its headline is pairs a second."""
    loop = {"concurrency": plan.concurrency} if plan.rate is None else {"rate": plan.rate}
    group = plan.groups[0]
    setting = {
        "gateway": plan.client.endpoint or f"handle of {plan.client.app}",
        "candidates": len(group.candidates),
        "side": group.candidates.shape[1],
        "repeat": plan.groups.repeat,
        "seconds": plan.seconds,
        **loop,
    }
    return Result(
        name=name,
        value=measured.account.pairs_per_s,
        unit="pairs/s",
        details={"setting": setting, **as_details(measured.account, measured.engine)},
    )
