"""v_old at any staleness: whoever evaluates it, the gradient is the same, also with several versions in one batch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import ray
import torch
from tiny import rollout_request, tiny_config

from learner.group import LearnerGroup
from learner.old_velocity import UnknownVersion
from learner.report import StepReport
from oars.alignment.messages import PolicySnapshot, TrainingGroup, TrainingSample
from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from rollout_workers.worker import RolloutWorker

T = TypeVar("T")
R = (0.1, None, 0.9)


def training_group(sample: TrainingSample, optimality: tuple[float | None, ...] = R) -> TrainingGroup:
    return TrainingGroup(sample.group_id, sample, sample.version, optimality)


@dataclass(frozen=True)
class Story:
    """Three steps: on a group of version 0, on one of version 1, and on a batch of versions 0, 1 and 2."""

    batches: list[list[TrainingSample]]
    last: StepReport
    policy: PolicySnapshot


def run(config: RunConfig, work: Callable[[LearnerGroup], Awaitable[T]]) -> T:
    async def whole_life() -> T:
        group = await LearnerGroup.start(config)
        try:
            await group.begin_rl()
            return await work(group)
        finally:
            group.stop()

    return asyncio.run(whole_life())


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny") / "generator")


def config_of(generator: Path, at: str, **learner: object) -> RunConfig:
    objective = {"timesteps": 2, "old_policy": {"at": at}}
    return tiny_config(generator, objective=objective, control={"max_staleness": 2}, learner=learner)


@pytest.fixture(scope="module")
def story(generator: Path, ray_cluster: None) -> Story:
    """As the worker measures it, with a real worker that installs each version."""
    config = config_of(generator, "worker")
    worker = ray.remote(concurrency_groups={"health": 1})(RolloutWorker).options(num_cpus=0).remote(config, "rollout-x")

    async def sample(snapshot: PolicySnapshot, groups: Sequence[int]) -> list[TrainingSample]:
        await worker.install.remote(snapshot)
        return [await worker.sample.remote(rollout_request(group, snapshot.version))[2] for group in groups]

    async def tell(group: LearnerGroup) -> Story:
        first, old = await sample(await group.publish(0), (0, 1))
        await group.train([training_group(first)], 0)
        second, newer = await sample(await group.publish(1), (2, 3))
        await group.train([training_group(second)], 1)
        (newest,) = await sample(await group.publish(2), (4,))
        mixed = [old, newer, newest]
        last = await group.train([training_group(sample) for sample in mixed], 2)
        return Story([[first], [second], mixed], last, await group.publish(3))

    told = run(config, tell)
    ray.kill(worker)
    return told


def retold(config: RunConfig, story: Story, path: Path | None = None) -> tuple[StepReport, PolicySnapshot]:
    """The same batches without velocities; with a `path`, saved and loaded before the last one."""
    batches = [[training_group(replace(s, v_old=None, v_ref=None)) for s in batch] for batch in story.batches]

    async def tell(group: LearnerGroup) -> tuple[StepReport, PolicySnapshot]:
        for version, batch in enumerate(batches[:2]):
            await group.publish(version)
            await group.train(batch, version)
        await group.publish(2)
        if path is not None:
            await group.save(path, {})
            await group.load(path)
        report = await group.train(batches[2], 2)
        policy = await group.publish(3)
        if config.objective.old_policy.at == "learner":
            with pytest.raises(UnknownVersion, match=r"version 0; the learner keeps \[1, 2, 3\]"):
                await group.train(batches[0], 3)
        return report, policy

    return run(config, tell)


@pytest.mark.parametrize("learner", [{}, {"ranks": 2, "zero_stage": 3}])
def test_worker_and_learner_give_the_same_gradient(
    generator: Path, story: Story, tmp_path: Path, learner: dict[str, Any]
) -> None:
    report, policy = retold(config_of(generator, "learner", **learner), story, tmp_path / "step_2")
    assert report.loss == pytest.approx(story.last.loss, rel=1e-4)
    assert report.grad_norm == pytest.approx(story.last.grad_norm, rel=1e-4)
    for name, tensor in policy.tensors.items():
        torch.testing.assert_close(tensor, story.policy.tensors[name], atol=1e-5, rtol=1e-4)


def test_one_moving_old_policy_is_another_objective(generator: Path, story: Story) -> None:
    report, _ = retold(config_of(generator, "moving"), story)
    assert report.grad_norm != pytest.approx(story.last.grad_norm, rel=1e-2)
    assert report.drift["old_distance"] < 0.7 * story.last.drift["old_distance"], "measured from the newest policy"
