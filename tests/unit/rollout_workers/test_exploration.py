"""A group's candidates span the bounds of `rollout.exploration`, and the learner gets the common conditioning."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import fresh_snapshot, rollout_request, tiny_config

from oars.config.cluster import ExplorationConfig
from oars.generator.miniature.tiny import build_tiny
from rollout_workers.exploration import exploration, noise_scales, sharpnesses
from rollout_workers.worker import RolloutWorker

WIDE = ExplorationConfig(noise_scale=(0.6, 1.4), sharpness=(-0.4, 0.4))


@given(st.integers(2, 64))
def test_candidates_lie_evenly_between_the_bounds(candidates: int) -> None:
    for values, bounds in ((noise_scales(WIDE, candidates), (0.6, 1.4)), (sharpnesses(WIDE, candidates), (-0.4, 0.4))):
        np.testing.assert_allclose(sorted(values), np.linspace(*bounds, candidates), atol=1e-12)


def test_sharpness_does_not_follow_the_noise() -> None:
    for candidates in (8, 12, 24):
        assert abs(np.corrcoef(noise_scales(WIDE, candidates), sharpnesses(WIDE, candidates))[0, 1]) < 0.35


def test_without_exploration_nothing_is_scaled() -> None:
    assert set(noise_scales(ExplorationConfig(), 8)) == {1.0} and not any(sharpnesses(ExplorationConfig(), 8))


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny") / "generator")


def test_candidates_differ_more_and_the_learner_sees_the_common_picture(generator: Path) -> None:
    samples = {}
    for name, bounds in (("narrow", {}), ("wide", {"noise_scale": [0.5, 2.0], "sharpness": [-0.5, 1.0]})):
        config = tiny_config(generator, rollout={"exploration": bounds, "candidates": 3})
        worker = RolloutWorker(config, "rollout-0")
        worker.install(fresh_snapshot(config, 0))
        samples[name] = worker.sample(rollout_request(version=0))[2]
    narrow, wide = samples["narrow"], samples["wide"]
    torch.testing.assert_close(narrow.conditioning.image_latents, wide.conditioning.image_latents)
    assert wide.x0.std(0).mean() > 1.2 * narrow.x0.std(0).mean()


def test_a_look_sees_the_policy_as_it_is(generator: Path) -> None:
    outputs = {}
    for name, bounds in (("narrow", {}), ("wide", {"noise_scale": [0.5, 2.0], "sharpness": [-0.5, 1.0]})):
        config = tiny_config(generator, rollout={"exploration": bounds, "candidates": 3})
        worker = RolloutWorker(config, "rollout-0")
        worker.install(fresh_snapshot(config, 0))
        outputs[name] = worker.sample(replace(rollout_request(version=0), explores=False))[1]
    np.testing.assert_array_equal(outputs["narrow"], outputs["wide"])


def test_flow_grpo_does_not_explore_so(generator: Path) -> None:
    objective = {"kind": "flow_grpo", "timesteps": 1, "old_policy": {"at": "sampler"}}
    wide = {"exploration": WIDE.model_dump(), "candidates": 3}
    request = rollout_request(version=0)
    assert exploration(tiny_config(generator, rollout=wide), request) == WIDE
    assert exploration(tiny_config(generator, rollout=wide, objective=objective), request) == ExplorationConfig()
