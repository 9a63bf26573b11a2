import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.formula import compass_reward, judged, static_sum
from oars.compass.outcome import Failed, FailureReason, Judged
from oars.compass.score_tokens import Confidence

fidelity = st.floats(0, 1)
quality = st.floats(1, 5)
gamma = st.floats(1, 20)


@given(quality, quality, gamma)
def test_full_fidelity_gives_the_quality_of_the_output(q_lr, q_sr, gamma):
    assert compass_reward(1.0, q_lr, q_sr, gamma) == pytest.approx(q_sr)


@given(quality, gamma)
def test_returning_the_input_gives_its_own_quality(q_lr, gamma):
    assert compass_reward(1.0, q_lr, q_lr, gamma) == pytest.approx(q_lr)


@given(fidelity, quality, quality, quality, gamma)
def test_reward_never_falls_as_output_quality_rises(fidelity, q_lr, a, b, gamma):
    low, high = sorted((a, b))
    assert compass_reward(fidelity, q_lr, low, gamma) <= compass_reward(fidelity, q_lr, high, gamma) + 1e-9


@given(fidelity, quality, quality)
def test_reward_stays_in_its_range(fidelity, q_lr, q_sr):
    assert -0.46 <= compass_reward(fidelity, q_lr, q_sr, 7.0) <= 5.0 + 1e-9


@given(st.floats(0.05, 0.95), st.floats(0, 0.9))
def test_a_good_input_punishes_lost_fidelity_harder(lost, gain):
    losses = [compass_reward(1, q, q + gain) - compass_reward(1 - lost, q, q + gain) for q in (1.5, 4.0)]
    assert losses[0] < losses[1]


@given(quality, quality)
def test_a_static_sum_asks_the_same_price_for_lost_fidelity_at_any_quality(a, b):
    prices = [static_sum(0.75, q_sr) - static_sum(0.5, q_sr) for q_sr in (a, b)]
    assert prices == pytest.approx([1.0, 1.0])
    assert static_sum(0.5, b) - static_sum(0.5, a) == pytest.approx(b - a)


@pytest.mark.parametrize("slot", range(3))
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 6.0])
def test_a_reading_out_of_range_is_a_failure(slot, value):
    readings = [0.5, 2.0, 3.0]
    readings[slot] = value
    result = judged(readings[0], readings[1], readings[2], confidence=Confidence(1.0, "F"), min_confidence=0.5)
    assert isinstance(result, Failed)
    assert result.reason is FailureReason.NON_FINITE


@pytest.mark.parametrize("confidence", [0.49, math.nan])
def test_low_confidence_is_a_failure(confidence):
    result = judged(0.5, 2.0, 3.0, confidence=Confidence(confidence, "the letter of F"), min_confidence=0.5)
    assert isinstance(result, Failed)
    assert result.reason is FailureReason.LOW_CONFIDENCE and "on the letter of F, wanted 0.5" in result.detail


@given(fidelity, quality, quality, st.floats(0.5, 1.0000001))
def test_good_readings_stay_as_they_are(fidelity, q_lr, q_sr, confidence):
    result = judged(fidelity, q_lr, q_sr, Confidence(confidence, "F"), min_confidence=0.5)
    assert isinstance(result, Judged)
    assert list(result.readings.values()) == [fidelity, q_lr, q_sr, min(confidence, 1.0)]
