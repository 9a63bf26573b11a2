"""v_old: both practices have one gradient on fresh groups, two on stale ones; where `old` is `current` it is free."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import pytest
import ray
import torch
from tiny import forward_passes, rollout_request, tiny_config

from learner.group import LearnerGroup
from learner.old_velocity import NoOldVelocity
from learner.report import StepReport
from oars.alignment.messages import PolicySnapshot, TrainingGroup, TrainingSample
from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from rollout_workers.worker import RolloutWorker

T = TypeVar("T")
R = (0.1, None, 0.9)
# Two scored candidates with two points each, in micro-batches of four.
MICRO_BATCHES = 1


def training_group(sample: TrainingSample) -> TrainingGroup:
    return TrainingGroup(sample.group_id, sample, R)


@dataclass(frozen=True)
class Story:
    """Three steps, each on a fresh group, and the last on groups of versions 0 and 1 beside it."""

    fresh: list[TrainingSample]
    reports: list[StepReport]
    policies: list[PolicySnapshot]
    """Versions 0 to 2."""
    stale: list[TrainingSample]
    last: StepReport


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


def config_of(generator: Path, at: str, schedule: str = "linear", **learner: object) -> RunConfig:
    # A slope that lets `old` fall behind, so that v_old is not nearly v_theta.
    objective = {"timesteps": 2, "old_policy": {"at": at, "schedule": schedule, "slope": 0.3}}
    return tiny_config(generator, objective=objective, control={"max_staleness": 2}, learner=learner)


@pytest.fixture(scope="module")
def story(generator: Path, ray_cluster: None) -> Story:
    """With the sampler's v_old, from a real worker that installs each version."""
    config = config_of(generator, "sampler")
    worker = ray.remote(concurrency_groups={"health": 1})(RolloutWorker).options(num_cpus=0).remote(config, "rollout-x")

    async def sample(snapshot: PolicySnapshot, groups: Sequence[int]) -> list[TrainingSample]:
        await worker.install.remote(snapshot)
        return [await worker.sample.remote(rollout_request(group, snapshot.version))[2] for group in groups]

    async def tell(group: LearnerGroup) -> Story:
        fresh, stale, reports, policies = [], [], [], []
        for version in range(3):
            policies.append(await group.publish(version))
            own, other = await sample(policies[-1], (2 * version, 2 * version + 1))
            fresh.append(own)
            stale.append(other)
            if version < 2:
                reports.append(await group.train([training_group(own)], version))
        last = await group.train([training_group(sample) for sample in stale], 2)
        return Story(fresh, reports, policies, stale, last)

    told = run(config, tell)
    ray.kill(worker)
    return told


@dataclass(frozen=True)
class Latest:
    """The same steps without the velocities of the worker, by the latest `old`."""

    reports: list[StepReport]
    """On fresh groups; saved and loaded before the second."""
    policy: PolicySnapshot
    """Version 2."""
    last: StepReport


@pytest.fixture(scope="module", params=[{}, {"ranks": 2, "zero_stage": 3}], ids=["one_rank", "two_ranks"])
def latest(
    generator: Path, story: Story, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Latest:
    path = tmp_path_factory.mktemp("latest") / "step_1"

    async def tell(group: LearnerGroup) -> Latest:
        reports = []
        for version, sample in enumerate(story.fresh[:2]):
            await group.publish(version)
            if version == 1:
                await group.save(path, {})
                await group.load(path)
            reports.append(await group.train([training_group(replace(sample, v_old=None, v_ref=None))], version))
        policy = await group.publish(2)
        return Latest(reports, policy, await group.train([training_group(sample) for sample in story.stale], 2))

    return run(config_of(generator, "latest", **request.param), tell)


def test_on_fresh_groups_both_have_the_same_gradient(story: Story, latest: Latest) -> None:
    assert latest.reports[0].drift["old_distance"] == 0.0, "v_old is v_theta where `old` is `current`"
    assert latest.reports[1].drift["old_distance"] > 0.0
    for ours, theirs in zip(latest.reports, story.reports, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert ours.grad_norm == pytest.approx(theirs.grad_norm, rel=1e-4)
    for name, tensor in latest.policy.tensors.items():
        torch.testing.assert_close(tensor, story.policies[2].tensors[name], atol=1e-5, rtol=1e-4)


def test_on_stale_groups_the_latest_old_policy_is_another_objective(story: Story, latest: Latest) -> None:
    assert latest.last.grad_norm != pytest.approx(story.last.grad_norm, rel=1e-2)
    assert latest.last.drift["old_distance"] < story.last.drift["old_distance"], "measured from the newest policy"


def test_a_group_may_lack_v_old_only_where_it_is_v_theta(generator: Path, story: Story) -> None:
    lacking = replace(story.fresh[0], v_old=None)

    async def tell(group: LearnerGroup) -> StepReport:
        await group.publish(0)
        first = await group.train([training_group(lacking)], 0)
        await group.publish(1)
        with pytest.raises(NoOldVelocity, match="came without v_old"):
            await group.train([training_group(replace(lacking, version=1))], 1)
        return first

    first = run(config_of(generator, "sampler"), tell)
    assert first.loss == pytest.approx(story.reports[0].loss, rel=1e-4)
    assert first.grad_norm == pytest.approx(story.reports[0].grad_norm, rel=1e-4)


def passes_of_steps(configs: list[RunConfig], samples: list[TrainingSample], address: str) -> list[list[int]]:
    """Forward passes of one step on each sample under each config, in a process of its own."""
    from learner.engine import join
    from learner.reinforcement import Reinforcement

    join(0, 1, address)
    counts = []
    for config in configs:
        learner, of_steps = Reinforcement(config, 0, 1), []
        for version, sample in enumerate(samples):
            learner.publish(version)
            with forward_passes() as passes:
                learner.step([sample], [R])
            of_steps.append(len(passes))
        learner.close()
        counts.append(of_steps)
    return counts


def test_where_old_is_current_a_step_makes_no_pass_for_v_old(generator: Path, story: Story) -> None:
    """A pass for v_theta, one for v_ref, and one for v_old where `old` is another adapter: after a step of `linear`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    configs = [config_of(generator, "latest", schedule) for schedule in ("copy", "linear")]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        copy, linear = pool.submit(passes_of_steps, configs, story.fresh[:2], address).result(timeout=120)
    assert copy == [2 * MICRO_BATCHES, 2 * MICRO_BATCHES]
    assert linear == [2 * MICRO_BATCHES, 3 * MICRO_BATCHES]
