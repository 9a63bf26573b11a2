"""RL on other weights than the base's: the sampling side and the training side hold the same ones."""

import asyncio
from pathlib import Path

import pytest
import ray
import torch
from tiny import fresh_snapshot, rollout_request, tiny_config

from learner.group import LearnerGroup
from oars.alignment.messages import Sampled, TrainingGroup, TrainingSample
from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from oars.generator.policy import load_transformer
from rollout_workers.pool import RolloutPool
from services.control.policy_store import PolicyStore


def training_group(sample: TrainingSample) -> TrainingGroup:
    return TrainingGroup(sample.group_id, sample, (0.1, None, 0.9))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    generator = build_tiny(tmp_path_factory.mktemp("tiny") / "generator")
    return tiny_config(generator, objective={"timesteps": 2, "old_policy": {"at": "sampler"}})


@pytest.fixture(scope="module")
def sft(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base with every weight a little off."""
    transformer, path = load_transformer(config.generator, dtype=torch.float32), tmp_path_factory.mktemp("run") / "sft"
    with torch.no_grad():
        for weight in transformer.parameters():
            weight.mul_(1.05)
    transformer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def sampled_on_sft(config: RunConfig, sft: Path, ray_cluster: None) -> TrainingSample:
    """v_old and v_ref come from the worker."""

    async def sample() -> TrainingSample:
        pool = RolloutPool.create(config, sft)
        try:
            pool.publish(PolicyStore(ray.put).publish(fresh_snapshot(config)))
            sampled = await pool.sample(rollout_request(), 150)
            assert isinstance(sampled, Sampled)
            result: TrainingSample = await sampled.sample
            return result
        finally:
            await pool.stop()

    return asyncio.run(sample())


@pytest.mark.parametrize("on_sft", [True, False])
def test_a_learner_on_the_same_weights_starts_where_the_rollout_was(
    config: RunConfig, sft: Path, sampled_on_sft: TrainingSample, on_sft: bool
) -> None:
    async def distance() -> float:
        group = await LearnerGroup.start(config, sft if on_sft else None)
        try:
            await group.begin_rl()
            await group.publish(0)
            return (await group.train([training_group(sampled_on_sft)], 0)).drift["old_distance"]
        finally:
            group.stop()

    apart = asyncio.run(distance())
    assert apart < 1e-4 if on_sft else apart > 1e-2
