"""The two rewards of a picture: with F measured and with F read."""

import pytest

from benchmarks.scoring import rewards
from oars.compass.formula import compass_reward
from oars.compass.judge import Readings
from oars.compass.score_tokens import Confidence
from oars.config import load_profile
from oars.deployment import deploy_path


def test_each_takes_its_own_f_and_the_settings_of_the_profile() -> None:
    profile = load_profile(deploy_path("profiles/tiny.yaml"), ["reward.parameters={gamma: 3.0}"])
    read = [Readings(0.2, 2.0, 4.0, Confidence(1.0, "the score tokens"))]
    found = rewards(profile, [0.7], read)
    assert found["reward"] == [pytest.approx(compass_reward(0.7, 2.0, 4.0, gamma=3.0))]
    assert found["judged"] == [pytest.approx(compass_reward(0.2, 2.0, 4.0, gamma=3.0))]
