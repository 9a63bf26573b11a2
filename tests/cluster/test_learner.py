"""The learner on real DeepSpeed ranks: the objective's invariant, resuming, and any number of ranks alike."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import ray
import torch
from tiny import pairs, rollout_request, tiny_config

from learner import checkpoint
from learner.checkpoint import BadCheckpoint
from learner.group import LearnerGroup
from learner.rank import Fenced, LearnerRank
from oars.alignment.messages import PolicySnapshot, TrainingGroup, TrainingSample
from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from oars.generator.policy import load_transformer
from rollout_workers.worker import RolloutWorker

T = TypeVar("T")


def training_group(sample: object, optimality: tuple[float | None, ...]) -> TrainingGroup:
    return TrainingGroup("group", sample, optimality)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny") / "generator")


@pytest.fixture(scope="module")
def config(generator: Path) -> RunConfig:
    return tiny_config(generator)


def run(config: RunConfig, work: Callable[[LearnerGroup], Awaitable[T]]) -> T:
    """A learner of its own for one piece of work."""

    async def whole_life() -> T:
        group = await LearnerGroup.start(config)
        try:
            return await work(group)
        finally:
            group.stop()

    return asyncio.run(whole_life())


def with_old_policy(config: RunConfig, at: str) -> RunConfig:
    old_policy = config.objective.old_policy.model_copy(update={"at": at})
    return config.model_copy(update={"objective": config.objective.model_copy(update={"old_policy": old_policy})})


def sample_with(config: RunConfig, snapshot: PolicySnapshot, groups: int) -> list[TrainingSample]:
    worker = ray.remote(concurrency_groups={"health": 1})(RolloutWorker).options(num_cpus=0).remote(config, "rollout-x")
    ray.get(worker.install.remote(snapshot))
    samples = [ray.get(worker.sample.remote(rollout_request(g, snapshot.version))[2]) for g in range(groups)]
    ray.kill(worker)
    return samples


@pytest.fixture(scope="module")
def samples(config: RunConfig, ray_cluster: None) -> Iterator[list[Any]]:
    """Three groups, sampled with the version that a fresh learner publishes; they bring v_old and v_ref along."""

    async def first_version(group: LearnerGroup) -> PolicySnapshot:
        await group.begin_rl()
        return await group.publish(0)

    snapshot = run(config, first_version)
    yield [ray.put(sample) for sample in sample_with(with_old_policy(config, "sampler"), snapshot, 3)]


def batch(samples: list[Any]) -> list[TrainingGroup]:
    """Some candidates without a score, as in life."""
    optimality = [(0.1, None, 0.9), (0.5, 0.2, 0.6), (None, 1.0, 0.0)]
    return [training_group(sample, r) for sample, r in zip(samples, optimality, strict=True)]


@pytest.mark.parametrize("at", ["latest", "sampler"])
def test_at_theta_old_the_loss_does_not_know_the_optimality(config: RunConfig, samples: list[Any], at: str) -> None:
    async def first_step(group: LearnerGroup, r: float) -> tuple[float, float]:
        await group.begin_rl()
        report = await group.train([training_group(samples[0], (r, r, r))], -1)
        assert report.drift["old_distance"] < 1e-5, "the learner rebuilt the very points that the worker measured"
        assert at == "sampler" or report.drift["old_distance"] == 0.0, "v_old is v_theta itself"
        return report.loss["total"], report.grad_norm

    async def both(group: LearnerGroup) -> list[tuple[float, float]]:
        return [await first_step(group, r) for r in (0.0, 0.3, 1.0)]

    (low, low_norm), (middle, middle_norm), (high, high_norm) = run(with_old_policy(config, at), both)
    assert low == pytest.approx(high, rel=1e-5) and middle == pytest.approx(high, rel=1e-5)
    assert low_norm == pytest.approx(high_norm, rel=1e-3)
    assert middle_norm == pytest.approx(0.4 * high_norm, rel=1e-3)


def test_with_a_large_eps_a_step_follows_the_gradient(config: RunConfig, samples: list[Any]) -> None:
    optimiser = config.optimiser.model_copy(update={"lr": 1.0, "eps": 1e3, "weight_decay": 0.0})

    async def outer_change(group: LearnerGroup) -> tuple[float, float]:
        await group.begin_rl()
        report = await group.train(batch(samples), -1)
        # B begins at zero, and only it has a gradient; `ema` takes a tenth of the step.
        tensors = (await group.snapshot(0)).tensors
        moved = torch.cat([t.flatten() for name, t in tensors.items() if "lora_B" in name]).norm().item()
        return moved, report.grad_norm

    moved, norm = run(config.model_copy(update={"optimiser": optimiser}), outer_change)
    clipped = min(norm, optimiser.grad_clip)
    assert moved == pytest.approx((1 - config.objective.ema) * clipped / 1e3, rel=1e-2)


def test_the_rate_falls_over_the_steps_of_rl(config: RunConfig, samples: list[Any]) -> None:
    def with_floor(floor: float) -> RunConfig:
        optimiser = config.optimiser.model_copy(
            update={"lr": 1.0, "eps": 1e3, "weight_decay": 0.0, "betas": (0.0, 0.999), "floor": floor}
        )
        stages = config.stages.model_copy(
            update={name: config.stages.rl(name).model_copy(update={"steps": 1}) for name in ("fr_rl", "nr_rl")}
        )
        copied = config.objective.old_policy.model_copy(update={"schedule": "copy"})
        objective = config.objective.model_copy(update={"old_policy": copied})
        return config.model_copy(update={"optimiser": optimiser, "stages": stages, "objective": objective})

    async def second_step(group: LearnerGroup) -> tuple[str, float]:
        await group.begin_rl()
        await group.train(batch(samples), -1)
        first = await group.publish(0)
        await group.train(batch(samples), 0)
        second = await group.publish(1)
        moved = [second.tensors[name] - first.tensors[name] for name in first.tensors]
        return first.digest, torch.cat([tensor.flatten() for tensor in moved]).norm().item()

    constant, falling = (run(with_floor(floor), second_step) for floor in (1.0, 0.0))
    assert falling[0] == constant[0] and falling[1] == pytest.approx(constant[1] / 2, rel=1e-3)


def test_resuming_from_a_checkpoint_is_bit_identical(config: RunConfig, samples: list[Any], tmp_path: Path) -> None:
    async def digests(group: LearnerGroup) -> tuple[str, str, float]:
        report = await group.train(batch(samples), 2)
        return (await group.publish(9)).digest, (await group.snapshot(9)).digest, report.loss["total"]

    async def straight(group: LearnerGroup) -> tuple[str, str, float]:
        await group.begin_rl()
        await group.publish(0)
        for version in (1, 2):
            await group.train(batch(samples), version - 1)
            await group.publish(version)
        await group.save(tmp_path / "step_2", {"step": 2, "ordinal": 7})
        await group.train(batch(samples), 2)
        return await digests(group)

    async def resumed(group: LearnerGroup) -> tuple[str, str, float]:
        assert await group.load(tmp_path / "step_2") == {"step": 2, "ordinal": 7}
        report = await group.train(batch(samples), 2)
        assert (report.step, report.version) == (3, 2)
        return await digests(group)

    expected = run(config, straight)
    assert run(config, resumed) == expected


def test_a_torn_checkpoint_is_one_line_and_a_batch_for_another_version_is_refused_before_it_is_trained(
    config: RunConfig, samples: list[Any], tmp_path: Path
) -> None:
    async def torn_and_late(group: LearnerGroup) -> None:
        await group.begin_rl()
        await group.save(tmp_path / "step_0", {})
        next((tmp_path / "step_0").rglob("*model_states.pt")).write_bytes(b"torn")
        with pytest.raises(BadCheckpoint, match="torn checkpoint") as raised:
            await group.load(tmp_path / "step_0")
        assert "\n" not in str(raised.value)
        await group.publish(3)
        with pytest.raises(Fenced, match="for version 2 came to a learner at version 3"):
            await group.train(batch(samples), 2)

    run(config, torn_and_late)


def three_steps(samples: list[Any], path: Path) -> Callable[[LearnerGroup], Awaitable[tuple[PolicySnapshot, Any]]]:
    async def work(group: LearnerGroup) -> tuple[PolicySnapshot, Any]:
        await group.cold_start_step(pairs(5))
        report = await group.cold_start_step(pairs(5))
        await group.save_sft(path / "sft")
        await group.begin_rl()
        for _ in range(2):
            await group.train(batch(samples), -1)
        await group.save(path / "step_2", {})
        await group.load(path / "step_2")
        return await _after(group, samples, report.loss["total"])

    return work


async def _after(group: LearnerGroup, samples: list[Any], cold: float) -> tuple[PolicySnapshot, Any]:
    report = await group.train(batch(samples), -1)
    return await group.publish(3), (report.loss | {"cold_start": cold, "grad_norm": report.grad_norm})


@pytest.fixture(scope="module")
def one_rank(generator: Path, samples: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("one")
    return path, *run(tiny_config(generator, optimiser={"micro_batch": 4, "lr": 1e-3}), three_steps(samples, path))


@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
def test_two_ranks_agree_with_one(
    generator: Path, samples: list[Any], one_rank: Any, tmp_path: Path, zero_stage: int
) -> None:
    path, alone, alone_report = one_rank
    learner = {"ranks": 2, "zero_stage": zero_stage}
    config = tiny_config(generator, optimiser={"micro_batch": 4, "lr": 1e-3}, learner=learner)
    together, report = run(config, three_steps(samples, tmp_path))
    assert report == pytest.approx(alone_report, rel=1e-4)
    for name, tensor in together.tensors.items():
        torch.testing.assert_close(tensor, alone.tensors[name], atol=1e-5, rtol=1e-4)
    ours, theirs = (load_transformer(config.generator, p / "sft").state_dict() for p in (tmp_path, path))
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-5, rtol=1e-4)


def test_one_rank_ships_the_adapter_and_all_read_what_they_saved(
    generator: Path, ray_cluster: None, tmp_path: Path
) -> None:
    config = tiny_config(generator, learner={"ranks": 2})
    kind = ray.remote(concurrency_groups={"health": 1})(LearnerRank).options(num_cpus=0)
    ranks = [kind.remote(config, None, rank, 2) for rank in range(2)]

    def of_each(method: str, *arguments: object) -> list[Any]:
        answers: list[Any] = ray.get([getattr(rank, method).remote(*arguments) for rank in ranks])
        return answers

    of_each("connect", ray.get(ranks[0].address.remote()))
    of_each("begin_rl")
    first, other = of_each("publish", 0)
    assert isinstance(first, PolicySnapshot) and other is None
    first, other = of_each("snapshot", "ema", 0)
    assert isinstance(first, PolicySnapshot) and other is None
    of_each("save", tmp_path / "step_0", {})
    sealed = checkpoint.verify(tmp_path / "step_0")["files"]
    written = {str(f.relative_to(tmp_path / "step_0")) for f in (tmp_path / "step_0").rglob("*") if f.is_file()}
    assert {*sealed, checkpoint.MANIFEST} == written
    for rank in ranks:
        ray.kill(rank)
