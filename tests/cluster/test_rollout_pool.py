"""The published weights really arrive, and a request always gives the same bytes."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from tiny import SIDE, K, fresh_snapshot, rollout_request, tiny_config

from oars.alignment.messages import AttemptFailed, PolicySnapshot, Published, Sampled, TrainingSample
from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from oars.generator.policy import AdapterMismatch
from rollout_workers.pool import RolloutPool
from rollout_workers.worker import RolloutWorker, WrongVersion


def published(snapshot: PolicySnapshot) -> Published:
    return Published(snapshot.version, snapshot.digest, ray.put(snapshot), 0, len(snapshot.tensors))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    generator = build_tiny(tmp_path_factory.mktemp("tiny") / "generator")
    return tiny_config(generator, objective={"timesteps": 2, "old_policy": {"at": "sampler"}})


@pytest.fixture(scope="module")
def worker(config: RunConfig, ray_cluster: None) -> Iterator[Any]:
    actor = ray.remote(concurrency_groups={"health": 1})(RolloutWorker).options(num_cpus=0).remote(config, "rollout-x")
    yield actor
    ray.kill(actor)


@pytest.fixture(scope="module")
def snapshot(config: RunConfig) -> PolicySnapshot:
    return fresh_snapshot(config, version=0, shift=0.05)


def test_an_adapter_that_binds_nothing_is_refused(worker: Any, snapshot: PolicySnapshot) -> None:
    renamed = {f"other.{name}": tensor for name, tensor in snapshot.tensors.items()}
    for tensors in ({}, renamed):
        with pytest.raises(AdapterMismatch, match="0 tensors bind"):
            ray.get(worker.install.remote(replace(snapshot, tensors=tensors)))
    assert ray.get(worker.ping.remote()) is None


def test_a_wrong_digest_is_refused_and_nothing_is_sampled_with_it(worker: Any, snapshot: PolicySnapshot) -> None:
    ray.get(worker.install.remote(snapshot))
    with pytest.raises(AdapterMismatch, match="announced"):
        ray.get(worker.install.remote(replace(snapshot, digest="0" * 16)))
    with pytest.raises(WrongVersion, match="holds version none"):
        ray.get(worker.sample.remote(rollout_request())[0])


def test_an_order_for_another_version_is_refused(worker: Any, snapshot: PolicySnapshot) -> None:
    ray.get(worker.install.remote(snapshot))
    for version in (-1, 1):
        with pytest.raises(WrongVersion, match=f"wants {version}"):
            ray.get(worker.sample.remote(rollout_request(version=version))[0])


def test_the_receipt_says_what_is_installed_and_the_adapter_matters(
    worker: Any, snapshot: PolicySnapshot, config: RunConfig
) -> None:
    installed = ray.get(worker.install.remote(snapshot))
    receipt, images, sample = ray.get(worker.sample.remote(rollout_request()))
    assert (receipt.version, receipt.digest, receipt.bound_tensors) == (0, snapshot.digest, len(snapshot.tensors))
    assert (installed.version, installed.digest, installed.bound_tensors) == (0, snapshot.digest, len(snapshot.tensors))
    other = fresh_snapshot(config, version=1, shift=-0.05)
    ray.get(worker.install.remote(other))
    later, other_images, other_sample = ray.get(worker.sample.remote(rollout_request(version=1)))
    assert later.digest == other.digest != receipt.digest
    assert not np.array_equal(images, other_images)
    assert not torch.equal(sample.v_old, other_sample.v_old)


def test_shapes_and_what_the_sample_says(worker: Any, snapshot: PolicySnapshot, config: RunConfig) -> None:
    ray.get(worker.install.remote(snapshot))
    receipt, images, sample = ray.get(worker.sample.remote(rollout_request()))
    tokens, channels = sample.conditioning.shape
    assert images.shape == (K, SIDE, SIDE, 3) and images.dtype == np.uint8
    assert sample.x0.shape == (K, tokens, channels)
    assert sample.t.shape == (K, config.objective.timesteps)
    assert sample.v_old.shape == sample.v_ref.shape == (K, config.objective.timesteps, tokens, channels)
    assert set(receipt.seconds) == {"encode", "denoise", "decode", "old_velocity"}
    assert all(np.isfinite(list(receipt.drift.values())))
    assert not np.array_equal(images[0], images[1])


def test_any_worker_gives_the_same_bytes(worker: Any, snapshot: PolicySnapshot, config: RunConfig) -> None:
    async def sampled() -> tuple[Any, TrainingSample, int]:
        pool = await RolloutPool.start(config)
        try:
            pool.publish(published(snapshot))
            result = await pool.sample(replace(rollout_request(), version=77), 150)
            assert isinstance(result, Sampled)
            return await result.images, await result.sample, result.receipt.version
        finally:
            await pool.stop()

    ray.get(worker.install.remote(snapshot))
    _, images, sample = ray.get(worker.sample.remote(rollout_request()))
    pool_images, pool_sample, version = asyncio.run(sampled())
    assert version == snapshot.version, "the pool stamps a request with the version that the worker holds"
    assert np.array_equal(images, pool_images)
    assert torch.equal(sample.x0, pool_sample.x0)
    assert sample.v_old is not None and pool_sample.v_old is not None
    assert torch.equal(sample.v_old, pool_sample.v_old)


def test_a_pool_goes_on_after_a_missed_deadline_installs_each_version_and_refuses_a_wrong_receipt(
    config: RunConfig, ray_cluster: None
) -> None:
    first, second = fresh_snapshot(config, 0, 0.05), fresh_snapshot(config, 1, -0.05)

    async def versions() -> list[tuple[int, str]]:
        pool = await RolloutPool.start(config)
        try:
            pool.publish(published(first))
            late = await pool.sample(replace(rollout_request(), candidates=64), 0.2)
            assert isinstance(late, AttemptFailed) and late.timed_out
            receipts = []
            for snapshot in (first, second):
                pool.publish(published(snapshot))
                result = await pool.sample(rollout_request(), 150)
                assert isinstance(result, Sampled)
                receipts.append((result.receipt.version, result.receipt.digest))
            pool.publish(replace(published(replace(second, version=2)), tensors=1))
            with pytest.raises(AdapterMismatch, match="rollout-0: installed"):
                await pool.sample(rollout_request(), 150)
            return receipts
        finally:
            await pool.stop()

    assert asyncio.run(versions()) == [(0, first.digest), (1, second.digest)]


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path, ray_cluster: None) -> None:
    from rollout_workers.pool import WorkersUnavailable

    with pytest.raises(WorkersUnavailable, match="no model in") as raised:
        asyncio.run(RolloutPool.start(tiny_config(tmp_path / "nowhere")))
    assert "\n" not in str(raised.value)
