"""Every scored point is trained exactly once, and no rank does more passes than another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learner.plan import NothingToTrain, deal, micro_batches

scores = st.one_of(st.none(), st.floats(0, 1))
groups = st.lists(st.lists(scores, min_size=1, max_size=6).map(tuple), min_size=1, max_size=5)


@given(groups, st.integers(1, 4), st.integers(1, 7), st.integers(1, 5))
def test_every_scored_point_counts_once_on_one_rank(
    optimality: list[tuple[float | None, ...]], points: int, size: int, ranks: int
) -> None:
    wanted = [
        (g, k, j) for g, own in enumerate(optimality) for k, r in enumerate(own) if r is not None for j in range(points)
    ]
    if not wanted:
        with pytest.raises(NothingToTrain):
            micro_batches(optimality, points, size)
        return
    shares = deal(micro_batches(optimality, points, size), ranks)
    counted = [(d.work.group, *point) for share in shares for d in share if d.counted for point in d.work.points]
    assert counted == wanted
    assert len({len(share) for share in shares}) == 1
    assert len(shares) == ranks


@given(st.integers(1, 40), st.integers(1, 12))
def test_no_rank_is_idle_while_there_is_work_for_all(work: int, ranks: int) -> None:
    counted = [sum(d.counted for d in share) for share in deal(range(work), ranks)]
    assert sum(counted) == work
    assert max(counted) - min(counted) <= 1


@given(groups, st.integers(1, 4), st.integers(1, 7))
def test_a_micro_batch_stays_within_its_group_and_size(
    optimality: list[tuple[float | None, ...]], points: int, size: int
) -> None:
    if all(r is None for own in optimality for r in own):
        return
    for batch in micro_batches(optimality, points, size):
        assert 1 <= len(batch.points) <= size
        assert all(optimality[batch.group][k] is not None for k, _ in batch.points)
