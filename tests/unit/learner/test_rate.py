"""The learning rate over a phase."""

from hypothesis import given
from hypothesis import strategies as st

from learner.rate import rate

FLOORS = st.floats(0, 1)


@given(st.integers(1, 5000), st.integers(0, 6000), FLOORS)
def test_the_rate_falls_linearly_and_not_below_the_floor(steps: int, step: int, floor: float) -> None:
    assert rate(0, steps, floor) == 1.0
    assert floor <= rate(step + 1, steps, floor) <= rate(step, steps, floor) <= 1.0
    assert rate(steps // 2, steps, floor) == max(1 - (steps // 2) / steps, floor)


@given(st.integers(1, 5000), st.integers(0, 6000))
def test_a_floor_of_one_is_a_constant_rate(steps: int, step: int) -> None:
    assert rate(step, steps, 1.0) == 1.0


@given(st.integers(1, 5000), st.integers(1, 500), st.integers(0, 6000), FLOORS)
def test_a_warm_up_bounds_the_first_rates_and_no_later_one(steps: int, warmup: int, step: int, floor: float) -> None:
    risen = rate(step, steps, floor, warmup)
    assert 0 <= risen <= rate(step, steps, floor)
    assert risen == rate(step, steps, floor) if step >= warmup else risen <= (step + 1) / (warmup + 1)
