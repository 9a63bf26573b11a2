"""Attempts are bounded, waits are bounded and jittered."""

from hypothesis import given
from hypothesis import strategies as st

from oars.alignment.drops import DropReason
from services.control.retry import GiveUp, Retry, after_failure, backoff

draws = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10), st.booleans(), draws)
def test_a_group_is_tried_exactly_as_often_as_allowed(attempts: int, timed_out: bool, draw: float) -> None:
    attempt, tries = 0, 1
    while isinstance(decision := after_failure(attempt, attempts, timed_out, draw), Retry):
        attempt, tries = attempt + 1, tries + 1
    assert tries == attempts
    assert decision == GiveUp(DropReason.DEADLINE if timed_out else DropReason.FAILED)


@given(st.integers(0, 5000), st.floats(0.01, 5), st.floats(5, 60), draws)
def test_backoff_stays_within_half_and_whole_of_its_step(attempt: int, base: float, cap: float, draw: float) -> None:
    whole = backoff(attempt, base, cap, draw=0.0)
    assert whole / 2 <= backoff(attempt, base, cap, draw) <= whole <= cap


def test_backoff_doubles() -> None:
    assert [backoff(n, 1.0, 10.0, 0.0) for n in range(5)] == [1.0, 2.0, 4.0, 8.0, 10.0]
