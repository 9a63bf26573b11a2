"""Scores out of log probabilities: an expectation over a token set, and the mass that lay on it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.score_tokens import Reading, ScoreTokens, confidence, read
from oars.config import JudgeConfig

LEVELS = {10: 1.0, 11: 2.0, 12: 3.0}


@given(st.lists(st.floats(-20, 0), min_size=3, max_size=3))
def test_a_reading_is_the_expectation_renormalised_to_the_set(logits):
    weights = [math.exp(x) for x in logits]
    reading = read(LEVELS, {token: x - 1 for token, x in zip(LEVELS, logits, strict=True)})
    assert reading.value == pytest.approx(
        sum(v * w for v, w in zip(LEVELS.values(), weights, strict=True)) / sum(weights)
    )
    assert reading.mass == pytest.approx(sum(weights) / math.e)


def test_a_missing_token_is_an_error_and_not_a_partial_reading():
    with pytest.raises(KeyError):
        read(LEVELS, {10: -1.0, 11: -2.0})


def test_no_mass_at_all_reads_as_nan():
    assert math.isnan(read(LEVELS, dict.fromkeys(LEVELS, -math.inf)).value)


def test_a_level_of_several_tokens_is_refused():
    class Spelling:
        def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
            return [1, 2]

    with pytest.raises(ValueError, match="score level '1' is 2 tokens"):
        ScoreTokens.of(Spelling(), {"1": 1.0}, {"A": 1.0})


@pytest.mark.parametrize("joint", [False, True])
def test_a_judge_that_answers_with_letters_alone_is_not_confident(joint):
    letters, digits = Reading(0.04, 1 - 1e-6), Reading(2.9, 1e-6)
    assert confidence(Reading(3.0, 1.0), letters, digits, joint).share < JudgeConfig().min_confidence
    assert confidence(Reading(3.0, 1.0), digits, letters, joint).share < JudgeConfig().min_confidence


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5))
def test_confidence_is_a_share_that_each_token_set_bounds(source, fidelity, quality):
    """Of one position that two sets share, each is owed half."""
    answers = Reading(3.0, source), Reading(0.5, fidelity), Reading(3.0, quality)
    share = confidence(*answers, joint=True).share
    assert 0 <= share <= 1
    assert share <= min(source, 2 * fidelity, 2 * quality, fidelity + quality)
    assert confidence(*answers, joint=False).share == min(source, fidelity, quality)
