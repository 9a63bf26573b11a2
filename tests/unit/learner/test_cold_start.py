"""The cold start's learning rate."""

from hypothesis import given
from hypothesis import strategies as st

from learner.cold_start import rate


@given(st.integers(1, 5000), st.integers(0, 6000))
def test_the_rate_falls_linearly_and_never_to_zero(steps: int, step: int) -> None:
    assert rate(0, steps, 0) == 1.0
    assert 0.02 <= rate(step + 1, steps, 0) <= rate(step, steps, 0) <= 1.0
    assert rate(steps // 2, steps, 0) == max(1 - (steps // 2) / steps, 0.02)


@given(st.integers(1, 5000), st.integers(1, 500), st.integers(0, 6000))
def test_a_warm_up_bounds_the_first_rates_and_no_later_one(steps: int, warmup: int, step: int) -> None:
    risen = rate(step, steps, warmup)
    assert 0 < risen <= rate(step, steps, 0)
    assert risen == rate(step, steps, 0) if step >= warmup else risen <= (step + 1) / (warmup + 1)
