"""Forward passes that a group costs its worker: those of the sampler, and v_old only where nobody else can give it."""

from pathlib import Path

import pytest
import torch
from tiny import K, forward_passes, fresh_snapshot, rollout_request, tiny_config

from oars.alignment.flow_grpo import step_mean, step_noise, step_std
from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from oars.seeds import seeded_noise
from rollout_workers.worker import RolloutWorker

# K = 3 candidates, two at once: two passes at each of the three denoising times, three at the six training points.
DENOISE, EVALUATE = 6, 3


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny") / "generator")


def config_of(generator: Path, at: str, max_staleness: int) -> RunConfig:
    objective = {"timesteps": 2, "old_policy": {"at": at}}
    return tiny_config(generator, objective=objective, control={"max_staleness": max_staleness})


@pytest.mark.parametrize(
    ("at", "max_staleness", "version", "evaluated"),
    [
        ("latest", 1, 3, set()),
        ("sampler", 1, 0, {"v_old", "v_ref"}),  # it may be trained on a step later
        ("sampler", 0, 3, {"v_old", "v_ref"}),
        ("sampler", 0, 0, {"v_ref"}),
    ],
)
def test_passes_of_a_group(generator: Path, at: str, max_staleness: int, version: int, evaluated: set[str]) -> None:
    config = config_of(generator, at, max_staleness)
    worker = RolloutWorker(config, "rollout-0")
    worker.install(fresh_snapshot(config, version))
    with forward_passes() as passes:
        receipt, _, sample = worker.sample(rollout_request(version=version))
    assert len(passes) == DENOISE + EVALUATE * len(evaluated)
    assert {name for name in ("v_old", "v_ref") if getattr(sample, name) is not None} == evaluated
    assert ("old_velocity" in receipt.seconds) == bool(evaluated)
    assert len(sample.x0) == K and receipt.drift["velocity_norm"] > 0


@pytest.mark.parametrize(("version", "evaluated"), [(0, {"v_ref"}), (3, {"v_old", "v_ref"})])
def test_a_group_of_flow_grpo_brings_its_steps_along(generator: Path, version: int, evaluated: set[str]) -> None:
    """v_old is that of the sampling itself: only v_ref costs passes, and five steps of two batches the sampling."""
    objective = {"kind": "flow_grpo", "timesteps": 3, "old_policy": {"at": "sampler"}}
    config = tiny_config(generator, objective=objective, sampler={"steps": 5, "batch": 2}, control={"max_staleness": 0})
    worker, request = RolloutWorker(config, "rollout-0"), rollout_request(version=version)
    worker.install(fresh_snapshot(config, version))
    with forward_passes() as passes:
        _, images, sample = worker.sample(request)
    assert len(passes) == 5 * 2 + 5  # v_ref at nine points, two at once
    assert {name for name in ("v_old", "v_ref") if getattr(sample, name) is not None} == evaluated
    assert sample.x_t is not None and sample.t_next is not None
    shape = tuple(sample.x0.shape[1:])
    assert sample.x_t.shape == (K, 3, *shape) and sample.t.shape == sample.t_next.shape == (K, 3)
    assert torch.equal(sample.x_t[2, 0], seeded_noise(shape, request.seed, "initial", 2))
    assert torch.equal(sample.t[:, 1:], sample.t_next[:, :-1])
    _, again, _ = worker.sample(request)
    assert (images == again).all()
    if sample.v_old is not None:  # every step follows from what came along
        t, t_next = sample.t[1, 0], sample.t_next[1, 0]
        mean = step_mean(sample.x_t[1, 0], sample.v_old[1, 0], t, t_next, 0.7)
        own = step_std(t, t_next, 0.7) * step_noise(shape, request.seed, 1, 0)
        torch.testing.assert_close(mean + own, sample.x_t[1, 1], atol=1e-5, rtol=1e-5)
