"""A learner's rank, a rollout worker and a judge's rank as Ray actors that share one CUDA device by fractions."""

import asyncio
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compass_data import write_tiny_dataset
from cuda_device import DEVICE, scene
from safetensors.torch import load_file
from tiny import tiny_config

ray = pytest.importorskip("ray")

from learner.group import LearnerGroup  # noqa: E402
from learner.judge_group import JudgeGroup  # noqa: E402
from learner.judge_rank import JudgeStep  # noqa: E402
from oars.alignment.messages import PolicySnapshot, RolloutRequest, TrainingGroup  # noqa: E402
from oars.compass.data.dataset import read_groups  # noqa: E402
from oars.compass.judge import Judge  # noqa: E402
from oars.compass.training.examples import example_of, pack  # noqa: E402
from oars.compass.training.files import JudgeFiles  # noqa: E402
from oars.config import RunConfig  # noqa: E402
from oars.config.judge_training import JudgeTrainingConfig  # noqa: E402
from oars.imaging.crops import Pair  # noqa: E402
from rollout_workers.worker import RolloutWorker  # noqa: E402

SIDE, K = 64, 3
SHARE = {"num_cpus": 1, "num_gpus": 0.4 if DEVICE == "cuda" else 0, "threads": 1}
OPTIMALITY = ((0.1, None, 0.9), (0.5, 0.2, 0.6))


def training_group(sample: object, optimality: tuple[float | None, ...]) -> TrainingGroup:
    return TrainingGroup("group", sample, optimality)


def watched() -> type[RolloutWorker]:
    """A worker that tells where its model is; made here, because Ray's processes cannot import this module."""

    class Watched(RolloutWorker):
        def where(self) -> tuple[str, str | None]:
            return self._policy.device.type, os.environ.get("CUDA_VISIBLE_DEVICES")

    return Watched


def config(dtype: str) -> RunConfig:
    base = tiny_config(Path("miniature"))
    return tiny_config(
        Path("miniature"),
        generator=base.generator.model_dump() | {"dtype": dtype},
        learner={"resources": SHARE},
        rollout={"candidates": K, "resources": SHARE},
        objective={"timesteps": 2, "kl_weight": 0.01, "old_policy": {"at": "sampler", "schedule": "copy"}},
        optimiser={"micro_batch": 4, "lr": 1e-3},
        stages={"cold_start": {"optimiser": {"micro_batch": 2, "lr": 1e-4}}},
    )


def rollout_request(group: int, version: int) -> RolloutRequest:
    lr = scene(group, SIDE)[::4, ::4].copy()
    return RolloutRequest(f"group-{group}", 0, lr, 100 + group, K, version)


@pytest.mark.parametrize("dtype", ["float32", "native"])
def test_the_policy_goes_round_between_learner_and_worker(ray_cluster: None, tmp_path: Path, dtype: str) -> None:
    chosen = config(dtype)
    options: dict[str, Any] = {"num_cpus": 1, "num_gpus": SHARE["num_gpus"]}
    worker = ray.remote(concurrency_groups={"health": 1})(watched()).options(**options).remote(chosen, "rollout-0")

    def install(snapshot: PolicySnapshot) -> str:
        held = ray.get(worker.install.remote(snapshot))
        assert (held.version, held.digest) == (snapshot.version, snapshot.digest)
        assert held.bound_tensors == len(snapshot.tensors) > 0
        return str(held.fingerprint)

    def drawn(version: int) -> tuple[list[np.ndarray], list[TrainingGroup]]:
        answers = [worker.sample.remote(rollout_request(g, version)) for g in range(len(OPTIMALITY))]
        images = [ray.get(images) for _, images, _ in answers]
        return images, [training_group(a[2], r) for a, r in zip(answers, OPTIMALITY, strict=True)]

    async def whole_life() -> None:
        learner = await LearnerGroup.start(chosen)
        try:
            cold = await learner.cold_start_step([Pair("p", scene(0, SIDE)[::4, ::4].copy(), scene(0, SIDE))] * 2)
            assert np.isfinite(cold.loss["total"]) and cold.grad_norm > 0
            await learner.begin_rl()
            first = await learner.publish(0)
            fingerprint = install(first)
            images, groups = drawn(0)
            again, _ = drawn(0)
            assert all(np.array_equal(a, b) for a, b in zip(images, again, strict=True)), "one order, the same bytes"
            report = await learner.train(groups, 0)
            print(f"{dtype}: {report.loss}, gradient norm {report.grad_norm:.3f}, drift {report.drift}")
            # Batches of another size may be summed in another order: one rounding in float32, several in bfloat16.
            bound = 1e-4 if dtype == "float32" else 0.05
            assert report.drift["old_distance"] < bound * report.drift["trained_velocity_norm"]
            second = await learner.publish(1)
            assert second.digest != first.digest and install(second) != fingerprint
            _, later = drawn(1)
            await learner.save(tmp_path / "step_1", {"step": 1})
            straight = (await learner.train(later, 1)).loss["total"]
            assert await learner.load(tmp_path / "step_1") == {"step": 1}
            resumed = (await learner.train(later, 1)).loss["total"]
            print(f"{dtype}: loss after the checkpoint {straight:.8f}, resumed {resumed:.8f}")
            assert resumed == pytest.approx(straight, rel=1e-5)
        finally:
            learner.stop()

    try:
        device, visible = ray.get(worker.where.remote())
        print(f"the worker's model is on {device}, CUDA_VISIBLE_DEVICES={visible}")
        assert device == DEVICE
        asyncio.run(whole_life())
    finally:
        ray.kill(worker)


@pytest.mark.parametrize("init", ["miniature", "scratch"])
def test_a_judge_is_trained_and_reads_on_the_device(ray_cluster: None, tmp_path: Path, init: str) -> None:
    settings = JudgeTrainingConfig.model_validate(
        {
            "init": init,
            "batch_groups": 2,
            "micro_batch": 2,
            "candidates": 2,
            "dtype": "native",
            "optimiser": {"learning_rate": 1e-4, "output_learning_rate": 1e-4, "warmup": 1},
            "preparation": {"steps": 2, "fitted_groups": 8, "checkpoint_every": 1},
            "learner": {"resources": SHARE},
        }
    )
    files = JudgeFiles(tmp_path / "work", tmp_path / "data")
    write_tiny_dataset(files.data, groups=4)
    files.train.parent.mkdir(parents=True)
    for path in (files.train, files.validation):
        pack((example_of(group, settings, {}) for group in read_groups(files.data)), path)

    async def whole_life() -> tuple[list[JudgeStep], list[float], JudgeStep]:
        group = await JudgeGroup.start(settings, files)
        try:
            if init == "scratch":
                while await group.prepare() < settings.preparation.steps or not files.prepared.exists():
                    pass
            await group.begin()
            steps = [await group.step(), await group.step()]
            await group.save(tmp_path / "checkpoint", {})
            steps.append(await group.step())
            await group.load(tmp_path / "checkpoint")
            resumed = await group.step()
            accuracies = await group.measure(range(4))
            await group.write(files.judge, {})
            return steps, accuracies, resumed
        finally:
            group.stop()

    steps, accuracies, resumed = asyncio.run(whole_life())
    print(f"{init}: losses {[s.loss for s in steps]}, resumed {resumed.loss}, accuracies {accuracies}")
    assert np.isfinite([s.loss for s in steps]).all()
    assert resumed.loss == pytest.approx(steps[-1].loss, rel=1e-3)
    assert all(np.isfinite(t.float()).all() for t in load_file(files.judge / "model.safetensors").values())
    readings = Judge.load(files.judge, torch.float32, DEVICE).score(scene(0, 16), np.stack([scene(0, 64)] * 2))
    assert np.isfinite([r.q_sr for r in readings]).all()
