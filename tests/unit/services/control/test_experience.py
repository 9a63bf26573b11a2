"""Batches leave whole, in the order of admission, and without a stale group."""

from hypothesis import given
from hypothesis import strategies as st

from oars.compass.outcome import Failed, FailureReason, Scored
from services.control.experience import ExperienceBuffer, ScoredGroup

SCORE = Scored(readings={"fidelity": 0.5, "q_lr": 2.0, "q_sr": 3.0, "confidence": 1.0}, reward=2.5)


def group(ordinal: int, version: int) -> ScoredGroup:
    return ScoredGroup(f"group-{ordinal}", ordinal, version, sample=None, outcomes=(SCORE,))


@given(
    st.lists(st.integers(0, 5), max_size=20).flatmap(
        lambda versions: st.tuples(st.just(versions), st.permutations(range(len(versions))))
    ),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_everything_held_leaves_once_or_stays(
    drawn: tuple[list[int], list[int]], batch: int, max_staleness: int
) -> None:
    versions, arrival = drawn
    buffer = ExperienceBuffer(batch, max_staleness)
    for ordinal in arrival:
        buffer.hold(group(ordinal, versions[ordinal]))
    fresh = [o for o, version in enumerate(versions) if 5 - version <= max_staleness]
    taken = buffer.take(learner_version=5)
    assert [g.ordinal for g in taken.stale] == [o for o in range(len(versions)) if o not in fresh]
    assert [g.ordinal for g in taken.groups] == (fresh[:batch] if len(fresh) >= batch else [])
    assert len(buffer) == len(versions) - len(taken.stale) - len(taken.groups)


def test_a_group_that_grew_stale_while_held_does_not_leave() -> None:
    buffer = ExperienceBuffer(batch=2, max_staleness=1)
    buffer.hold(group(0, version=0))
    assert buffer.take(learner_version=1).groups == []
    buffer.hold(group(1, version=1))
    taken = buffer.take(learner_version=2)
    assert taken.groups == [] and [g.ordinal for g in taken.stale] == [0]


def test_rewards_are_those_of_scored_candidates() -> None:
    mixed = ScoredGroup("g", 0, 0, None, (SCORE, Failed(reason=FailureReason.DEADLINE), SCORE))
    assert mixed.rewards.tolist() == [2.5, 2.5]
