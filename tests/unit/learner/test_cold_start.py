"""The cold start's learning rate."""

from hypothesis import given
from hypothesis import strategies as st

from learner.cold_start import decay


@given(st.integers(1, 5000), st.integers(0, 6000))
def test_the_rate_falls_linearly_and_never_to_zero(steps: int, step: int) -> None:
    assert decay(0, steps) == 1.0
    assert 0.02 <= decay(step + 1, steps) <= decay(step, steps) <= 1.0
    assert decay(steps // 2, steps) == max(1 - (steps // 2) / steps, 0.02)
