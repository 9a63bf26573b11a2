"""`oars score` without a server: the embedded judge in this process, as a profile configures it."""

import numpy as np
import pytest

from oars.compass.outcome import Failed, FailureReason, Scored
from oars.config.compass import JudgeConfig, RewardClientConfig
from services.results.transition import LocalScorer, Verdict, verdict


@pytest.mark.parametrize("settings", [{}, {"dtype": "float32"}])
def test_a_transition_is_scored(settings: dict[str, str]) -> None:
    rng = np.random.default_rng(0)
    lr, sr = (rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (24, 96))
    score = LocalScorer(JudgeConfig.model_validate(settings), RewardClientConfig()).score(lr, sr)
    assert isinstance(score, Scored)
    assert 0 <= score.readings["fidelity"] <= 1 and 1 <= score.readings["q_sr"] <= 5


def test_a_very_flat_picture_is_scored_in_pieces_that_the_judge_takes() -> None:
    scorer = LocalScorer(JudgeConfig(), RewardClientConfig())
    flat = np.random.default_rng(0).integers(0, 256, (8, 5000, 3), dtype=np.uint8)
    whole = scorer.score(flat, flat)
    assert isinstance(whole, Failed) and whole.reason is FailureReason.BAD_IMAGE
    assert whole.detail == "LR: 5000x8 pixels are 625:1, at most 200:1"
    assert isinstance(verdict(flat, flat, scorer), Verdict)
