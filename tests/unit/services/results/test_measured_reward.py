"""FR-RL's own reward of a held-out output."""

import numpy as np
import pytest

from oars.compass.formula import compass_reward
from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from services.results.measured_reward import MEASURED_FIDELITY, MEASURED_REWARD, MeasuredReward

READINGS = {"fidelity": 0.2, "q_lr": 2.0, "q_sr": 4.0, "confidence": 1.0}


def _tiny(*overrides: str) -> RunConfig:
    return load_profile(deploy_path("profiles/tiny.yaml"), list(overrides))


def test_the_measured_f_takes_the_place_of_the_read_one() -> None:
    fr_rl = MeasuredReward.of(_tiny("reward.parameters={gamma: 2.0}"))
    assert fr_rl is not None
    expected = compass_reward(0.7, 2.0, 4.0, gamma=2.0)
    assert fr_rl.of_readings(READINGS, 0.7) == {MEASURED_REWARD: pytest.approx(expected)}


def test_f_is_best_at_the_truth() -> None:
    fr_rl = MeasuredReward.of(_tiny())
    assert fr_rl is not None
    rng = np.random.default_rng(0)
    gt = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    noise = rng.integers(0, 256, gt.shape, dtype=np.uint8)
    assert fr_rl.fidelity(gt, gt)[MEASURED_FIDELITY] == pytest.approx(1.0)
    assert fr_rl.fidelity(noise, gt)[MEASURED_FIDELITY] < 0.9


def test_none_where_fr_rl_measures_nothing() -> None:
    assert MeasuredReward.of(_tiny("stages.fr_rl.steps=0")) is None


def test_no_number_no_row() -> None:
    fr_rl = MeasuredReward.of(_tiny())
    assert fr_rl is not None
    assert fr_rl.of_readings(READINGS, float("nan")) == {}
