"""The staleness bound follows from the admission rule alone, when batches are trained in order."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from services.control.admission import Admission, sweep


@dataclass(frozen=True)
class Group:
    version: int


@given(st.integers(0, 4), st.integers(1, 5), st.integers(1, 8), st.data())
def test_groups_trained_in_order_are_never_staler_than_the_bound(
    max_staleness: int, batch: int, steps: int, data: st.DataObject
) -> None:
    """A learner that trains in order, and publishes at the end of a step; admissions happen at any moment between."""
    rule = Admission(max_staleness, batch)
    queue: list[Group] = []
    version, trained = 0, 0
    while version < steps:
        for _ in range(data.draw(st.integers(0, 3))):
            queue += [Group(version)] * min(
                rule.capacity(len(queue), steps - version), data.draw(st.integers(0, batch))
            )
        if len(queue) < batch:
            queue += [Group(version)] * rule.capacity(len(queue), steps - version)
        leaving = queue[:batch]
        assert len(leaving) == batch
        assert sweep(leaving, version, max_staleness) == (leaving, [])
        # While the batch trains it is still in flight.
        queue += [Group(version)] * rule.capacity(len(queue), steps - version)
        queue = queue[batch:]
        version, trained = version + 1, trained + batch
    assert trained == steps * batch and queue == []


@given(st.integers(0, 3), st.integers(1, 6), st.integers(0, 30), st.integers(0, 10))
def test_capacity_never_overfills(max_staleness: int, batch: int, in_flight: int, steps_left: int) -> None:
    capacity = Admission(max_staleness, batch).capacity(in_flight, steps_left)
    assert capacity >= 0
    assert capacity == 0 or in_flight + capacity <= min((max_staleness + 1), steps_left) * batch


def test_synchronous_admits_nothing_while_a_batch_trains() -> None:
    assert Admission(0, 4).capacity(in_flight=4, steps_left=10) == 0


@given(st.lists(st.integers(0, 9)), st.integers(0, 9), st.integers(0, 4))
def test_sweep_splits_by_staleness_and_keeps_order(versions: list[int], learner: int, limit: int) -> None:
    fresh, stale = sweep([Group(v) for v in versions], learner, limit)
    assert [g.version for g in fresh] == [v for v in versions if learner - v <= limit]
    assert [g.version for g in stale] == [v for v in versions if learner - v > limit]
