"""kill -9 on a rollout worker and on a learner rank: a typed failure at once, then work goes on."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray
from tiny import fresh_snapshot, pairs, rollout_request, tiny_config

from benchmarks.descendants import descendants
from learner.group import LearnerGroup
from learner.ranks import LearnerLost
from oars.alignment.messages import AttemptFailed, Published, Sampled
from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from rollout_workers.pool import RolloutPool, WorkersUnavailable

PATIENCE_S = 150  # for a machine that runs much else


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny") / "generator")


async def kill(title: str) -> None:
    """kill -9 the process of this test session with this title, as soon as there is one."""
    for _ in range(1200):
        if found := descendants(title):
            os.kill(found[0].pid, signal.SIGKILL)
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"no process titled {title}")


async def started(config: RunConfig) -> RolloutPool:
    pool = await RolloutPool.start(config)
    snapshot = fresh_snapshot(config, version=4)
    pool.publish(Published(4, snapshot.digest, ray.put(snapshot), 0, len(snapshot.tensors)))
    return pool


def test_a_killed_worker_comes_back_with_the_version_whether_it_was_busy_or_free(
    generator: Path, ray_cluster: None
) -> None:
    """Busy, it costs an attempt that failed; free, its death is noticed with the next request."""

    async def scenario() -> None:
        pool = await started(tiny_config(generator))
        try:
            before = await pool.sample(rollout_request(), PATIENCE_S)
            busy = asyncio.create_task(pool.sample(replace(rollout_request(), candidates=1000), PATIENCE_S))
            await kill("oars:rollout-0.sample")
            lost = await asyncio.wait_for(busy, PATIENCE_S)
            assert isinstance(lost, AttemptFailed) and not lost.timed_out
            after = await asyncio.wait_for(pool.sample(rollout_request(), PATIENCE_S), PATIENCE_S)
            assert isinstance(before, Sampled) and isinstance(after, Sampled)
            assert (after.receipt.version, after.receipt.digest) == (4, before.receipt.digest)
            assert np.array_equal(await before.images, await after.images), "and what it returned before is still there"
            await kill("oars:rollout-0")
            results = [await asyncio.wait_for(pool.sample(rollout_request(), PATIENCE_S), PATIENCE_S) for _ in range(3)]
            assert isinstance(results[-1], Sampled)
        finally:
            await pool.stop()

    asyncio.run(scenario())


def test_when_no_worker_can_come_back_the_run_is_told(generator: Path, ray_cluster: None) -> None:
    async def scenario() -> None:
        config = tiny_config(generator, rollout={"max_restarts": 0, "candidates": 2})
        pool = await started(config)
        try:
            await kill("oars:rollout-0")
            assert isinstance(await pool.sample(rollout_request(), PATIENCE_S), AttemptFailed)
            for _ in range(2):
                with pytest.raises(WorkersUnavailable, match="died for good"):
                    await asyncio.wait_for(pool.sample(rollout_request(), PATIENCE_S), PATIENCE_S)
            assert pool.workers == 0
        finally:
            await pool.stop()

    asyncio.run(scenario())


def test_a_killed_rank_ends_the_group_and_a_new_one_goes_on_from_the_checkpoint(
    generator: Path, tmp_path: Path, ray_cluster: None
) -> None:
    async def scenario() -> None:
        config = tiny_config(generator, learner={"ranks": 2})
        group = await LearnerGroup.start(config)
        await group.cold_start_step(pairs(4))
        await group.save(tmp_path / "step_1", {"step": 1})
        expected = await group.cold_start_step(pairs(4))
        step = asyncio.create_task(group.cold_start_step(pairs(4) * 200))
        await kill("oars:learner-1.cold_start_step")
        with pytest.raises(LearnerLost, match="rank died"):
            await asyncio.wait_for(step, PATIENCE_S)
        again = await LearnerGroup.start(config)
        try:
            assert await again.load(tmp_path / "step_1") == {"step": 1}
            assert (await again.cold_start_step(pairs(4))).loss == expected.loss
        finally:
            again.stop()

    asyncio.run(scenario())
