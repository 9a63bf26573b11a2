"""COMPASS is scaled and killed under load: no request is lost, and every answer is the one of a quiet time."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_judge import judge_config, sharp_judge

from benchmarks.reward_storm import Storm, through_storm
from oars.config import DataConfig, RewardClientConfig
from reward_server.client import CompassClient
from services.bench.account import Account
from services.bench.requests import Groups
from services.launch.serving import deploy

__all__ = ["sharp_judge"]  # fixture
APP = "stormy"
PATIENCE_S = 240  # for a machine that runs much else


@pytest.fixture
def stormy(ray_cluster: None, sharp_judge: Path) -> Iterator[RewardClientConfig]:
    from ray import serve

    deploy(judge_config(sharp_judge), APP)
    yield RewardClientConfig(app=APP, patience_s=PATIENCE_S, deadline_s=60)
    serve.delete(APP)


async def weather(storm: Storm) -> None:
    await storm.scale(2)
    await storm.kill("engine", (await storm.running())[0], 2)
    await storm.scale(1)
    await storm.kill("replica", (await storm.running())[0], 1)


# Five starts of a vLLM engine: minutes.
@pytest.mark.chaos_long
@pytest.mark.timeout(1500)
def test_no_request_is_lost_and_no_answer_is_wrong_while_replicas_come_go_and_die(stormy: RewardClientConfig) -> None:
    groups = Groups(DataConfig(), side=96, candidates=3)

    async def scenario() -> None:
        async with CompassClient(stormy) as client:
            samples, comparison, storm = await through_storm(client, groups, APP, weather)
        account = Account.of(samples)
        assert account.requests["answered"] == len(samples) > 0, account
        assert (comparison.wrong, comparison.unscored) == (0, 0), comparison
        assert account.replicas >= 3, "both replicas and the one that came after a death have answered"
        assert len(storm.events) == 4

    asyncio.run(scenario())
