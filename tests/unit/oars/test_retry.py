"""Waits are bounded and jittered."""

from hypothesis import given
from hypothesis import strategies as st

from oars.retry import backoff


@given(st.integers(1, 5000), st.floats(0.01, 5), st.floats(5, 60), st.floats(0, 1, exclude_max=True))
def test_backoff_stays_within_half_and_whole_of_its_step(failures: int, base: float, cap: float, draw: float) -> None:
    whole = backoff(failures, base, cap, draw=0.0)
    assert whole / 2 <= backoff(failures, base, cap, draw) <= whole <= cap


def test_backoff_doubles() -> None:
    assert [backoff(n, 1.0, 10.0, 0.0) for n in range(1, 6)] == [1.0, 2.0, 4.0, 8.0, 10.0]
