"""Forward passes that a group costs its worker: those of the sampler, and v_old only where nobody else can give it."""

from pathlib import Path

import pytest
from tiny import K, forward_passes, fresh_snapshot, rollout_request, tiny_config

from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
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
