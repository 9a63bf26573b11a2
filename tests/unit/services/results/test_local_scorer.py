"""`oars score` without a server: the embedded judge in this process, as a profile configures it."""

import numpy as np
import pytest

from oars.compass.outcome import Scored
from oars.config.compass import JudgeConfig, RewardClientConfig
from services.results.transition import LocalScorer


@pytest.mark.parametrize("settings", [{}, {"dtype": "float32"}])
def test_a_transition_is_scored(settings: dict[str, str]) -> None:
    rng = np.random.default_rng(0)
    lr, sr = (rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (24, 96))
    score = LocalScorer(JudgeConfig.model_validate(settings), RewardClientConfig()).score(lr, sr)
    assert isinstance(score, Scored)
    assert 0 <= score.readings["fidelity"] <= 1 and 1 <= score.readings["q_sr"] <= 5
