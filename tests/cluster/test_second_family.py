"""FLUX.1 Kontext through the real actors: sampled, trained, published, and sampled anew with what was learned."""

import asyncio
from typing import Any

import numpy as np
import pytest
import ray
from tiny import rollout_request, tiny_config

from learner.group import LearnerGroup
from oars.alignment.messages import PolicySnapshot, TrainingGroup
from oars.config import RunConfig
from oars.generator.miniature.tiny_flux import build_tiny_flux
from rollout_workers.worker import RolloutWorker


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    objective = {"timesteps": 2, "old_policy": {"at": "sampler"}}
    return tiny_config(build_tiny_flux(tmp_path_factory.mktemp("flux") / "base"), objective=objective)


def test_a_trained_adapter_reaches_the_next_samples(config: RunConfig, ray_cluster: None) -> None:
    worker = ray.remote(concurrency_groups={"health": 1})(RolloutWorker).options(num_cpus=0).remote(config, "rollout-x")

    def sampled(snapshot: PolicySnapshot) -> tuple[np.ndarray, Any]:
        ray.get(worker.install.remote(snapshot))
        receipt, images, sample = ray.get(worker.sample.remote(rollout_request(version=snapshot.version)))
        assert (receipt.version, receipt.digest) == (snapshot.version, snapshot.digest)
        return images, sample

    async def two_versions() -> tuple[float, list[np.ndarray]]:
        group = await LearnerGroup.start(config)
        try:
            await group.begin_rl()
            before, sample = sampled(await group.publish(0))
            report = await group.train([TrainingGroup("group-0", sample, (0.1, None, 0.9))], 0)
            after, _ = sampled(await group.publish(1))
            return report.drift["old_distance"], [before, after]
        finally:
            group.stop()

    apart, pictures = asyncio.run(two_versions())
    ray.kill(worker)
    assert apart < 1e-4, "rollout and learner compute the same velocities"
    assert not np.array_equal(pictures[0], pictures[1])
