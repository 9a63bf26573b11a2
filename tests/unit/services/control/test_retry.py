"""A group is tried as often as the config allows."""

from hypothesis import given
from hypothesis import strategies as st

from oars.alignment.drops import DropReason
from oars.retry import GiveUp, Retry
from services.control.retry import after_failure

draws = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10), st.booleans(), draws)
def test_a_group_is_tried_exactly_as_often_as_allowed(attempts: int, timed_out: bool, draw: float) -> None:
    attempt, tries = 0, 1
    while isinstance(decision := after_failure(attempt, attempts, timed_out, draw), Retry):
        attempt, tries = attempt + 1, tries + 1
    assert tries == attempts
    assert decision == GiveUp(DropReason.DEADLINE if timed_out else DropReason.FAILED)
