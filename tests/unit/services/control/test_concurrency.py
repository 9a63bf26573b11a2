"""The AIMD controller: bounded, one decrease a congestion, no growth on stale measurements, finds the capacity."""

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from services.control.concurrency import SHRINK, Concurrency

answers = st.lists(
    st.tuples(st.floats(0, 50), st.floats(0, 100), st.integers(1, 60), st.booleans()), min_size=1, max_size=60
)


def congest(control: Concurrency, now: float, unscored: int) -> None:
    """Strained answers until the limit shrinks."""
    before = control.limit
    for _ in range(20):
        control.answered(now - 0.5, now, unscored, repeated=True)
        if control.limit < before:
            return
    raise AssertionError("twenty strained answers changed nothing")


@given(st.integers(1, 5), st.integers(5, 80), answers)
def test_the_limit_stays_above_its_least_and_room_is_never_negative(
    least: int, start: int, events: list[tuple[float, float, int, bool]]
) -> None:
    control, now = Concurrency(start, 10.0, least), 0.0
    for pause, latency, unscored, repeated in events:
        now += pause
        before = control.limit
        control.answered(now - latency, now, unscored, repeated)
        assert least <= control.limit <= start + len(events)
        assert control.limit - before <= 1.0, "growth is additive"
        assert control.room(unscored) == max(0, control.limit - unscored)


@given(st.integers(2, 50), st.lists(st.floats(0, 5), min_size=8, max_size=40))
def test_one_congestion_is_one_decrease(unscored: int, latenesses: list[float]) -> None:
    control = Concurrency(math.inf, 10.0)
    congest(control, 100.0, unscored)
    after = control.limit
    assert after == max(1, SHRINK * unscored)
    for late in latenesses:
        control.answered(99.0, 100.0 + late, unscored, repeated=True)
        control.unanswered(50.0, 120.0 + late, unscored)
    assert control.limit == after


@given(st.integers(1, 20), st.integers(20, 200))
def test_after_an_outage_the_limit_doubles_a_round_trip_up_to_where_the_outage_began(silences: int, start: int) -> None:
    control, now = Concurrency(start, 10.0), 0.0
    for _ in range(silences):
        now += 20
        control.unanswered(now - 11, now, start)
    threshold = SHRINK * start
    low = control.limit
    for _ in range(math.ceil(threshold - low)):
        control.answered(now + 1, now + 2, math.ceil(control.limit), repeated=False)
    assert threshold <= control.limit < threshold + 1


@given(st.lists(st.floats(0, 9), min_size=1, max_size=30))
def test_growth_is_frozen_on_stale_answers_and_while_the_limit_does_not_bind(latencies: list[float]) -> None:
    control = Concurrency(math.inf, 10.0)
    congest(control, 100.0, 20)
    limit = control.limit
    for latency in latencies:
        control.answered(100.0 - latency, 100.0 + latency, 20, repeated=False)
        control.answered(200.0, 200.0 + latency, int(limit) - 1, repeated=False)
    assert control.limit == limit
    control.answered(200.0, 201.0, int(limit), repeated=False)
    assert control.limit > limit


@given(st.integers(0, 10**6))
def test_a_tail_and_dying_replicas_are_no_congestion(seed: int) -> None:
    chance, control = random.Random(seed), Concurrency(64, 10.0)
    for step in range(500):
        latency = 12.0 if chance.random() < 0.02 else 5.0
        control.answered(100.0 * step, 100.0 * step + latency, 64, repeated=chance.random() < 0.005)
    assert control.limit >= 64


def test_silence_decreases_once_and_bounds_what_may_wait() -> None:
    control = Concurrency(math.inf, 10.0)
    assert control.room(1000) == math.inf
    for now in range(100):
        control.unanswered(0.0, float(now), 30)
    assert control.limit == SHRINK * 30 and control.room(30) == 0


def test_it_settles_at_what_a_server_can_do_within_the_slow_mark() -> None:
    """A server that takes one second a request, in turn: a queue of ten takes ten seconds."""
    control, now, queue, depths = Concurrency(100, 10.0), 0.0, [0.0] * 100, []
    for _ in range(3000):
        now += 1.0
        control.answered(queue.pop(0), now, len(queue) + 1, repeated=False)
        while control.room(len(queue)) >= 1 and len(queue) < 100:
            queue.append(now)
        depths.append(len(queue))
        assert queue, "the server never starves"
    settled = depths[1000:]
    assert 6 <= sum(settled) / len(settled) <= 13
