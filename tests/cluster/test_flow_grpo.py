"""Flow-GRPO from a real worker to a real learner: on-policy the ratio is one, on a stale group it is not."""

import socket
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from tiny import forward_passes, fresh_snapshot, rollout_request, tiny_config

from learner.report import StepReport
from oars.alignment.messages import TrainingSample
from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from rollout_workers.worker import RolloutWorker
from services.control.sample_store import read_sample, write_sample

R = (0.1, None, 0.9)


def config_of(generator: Path) -> RunConfig:
    objective = {"kind": "flow_grpo", "timesteps": 2, "old_policy": {"at": "sampler", "schedule": "copy"}}
    return tiny_config(generator, objective=objective, sampler={"steps": 4, "batch": 2})


def steps(config: RunConfig, samples: Sequence[TrainingSample], address: str) -> list[tuple[StepReport, int]]:
    """One step a sample, and its forward passes, in a process of its own."""
    from learner.engine import join
    from learner.reinforcement import Reinforcement

    join(0, 1, address)
    learner, done = Reinforcement(config, 0, 1), []
    for version, sample in enumerate(samples):
        learner.publish(version)
        with forward_passes() as passes:
            done.append((learner.step([sample], [R]), len(passes)))
    learner.close()
    return done


def test_a_stale_group_is_weighed_by_who_sampled_it(tmp_path: Path) -> None:
    generator = build_tiny(tmp_path / "generator")
    config = config_of(generator)
    worker = RolloutWorker(config, "rollout-0")
    worker.install(fresh_snapshot(config))
    samples = []
    for group in (0, 1):  # through the sample store, both of version 0
        write_sample(tmp_path / f"{group}.safetensors", worker.sample(rollout_request(group))[2])
        samples.append(read_sample(tmp_path / f"{group}.safetensors"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        (fresh, own), (stale, others) = pool.submit(steps, config, samples, address).result(timeout=120)
    assert set(fresh.loss) == {"total", "policy", "kl", "ratio", "clipped"}
    assert fresh.loss["ratio"] == pytest.approx(1, abs=1e-5) and fresh.loss["clipped"] == 0
    assert fresh.grad_norm > 0 and fresh.drift["old_distance"] < 1e-4
    assert abs(stale.loss["ratio"] - 1) > 1e-4 and stale.drift["old_distance"] > 1e-3
    assert own == others == 1, "v_old and v_ref came along; four points fit one micro-batch"
