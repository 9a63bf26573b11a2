"""The failure-rate breaker pauses, probes, recovers or stops with the reason."""

from hypothesis import given
from hypothesis import strategies as st

from oars.compass.outcome import CandidateOutcome, Failed, FailureReason, Scored
from services.control.circuit_breaker import MIN_OUTCOMES, BreakerState, CircuitBreaker

GOOD = Scored(readings={"fidelity": 0.5, "q_lr": 2.0, "q_sr": 3.0, "confidence": 1.0}, reward=2.5)
BAD = Failed(reason=FailureReason.ENGINE_ERROR)
MANY_BAD: list[CandidateOutcome] = [BAD] * MIN_OUTCOMES
MANY_GOOD: list[CandidateOutcome] = [GOOD] * MIN_OUTCOMES


def breaker() -> CircuitBreaker:
    return CircuitBreaker(limit=0.5, window=100, pause_s=30.0)


def test_failures_pause_then_stop_with_the_reason() -> None:
    b = breaker()
    assert b.record(MANY_BAD, now=0.0) is BreakerState.OPEN
    assert b.tick(29.9) is BreakerState.OPEN
    assert b.tick(30.0) is BreakerState.HALF_OPEN
    assert b.record(MANY_BAD, now=31.0) is BreakerState.STOPPED
    assert b.reason == f"100% of the last {MIN_OUTCOMES} candidates have no score (engine_error {MIN_OUTCOMES})"


def test_a_service_that_came_back_goes_on() -> None:
    b = breaker()
    b.record(MANY_BAD, now=0.0)
    assert b.record(MANY_GOOD, now=40.0) is BreakerState.CLOSED
    assert b.failure_rate == 0.0


def test_outcomes_sent_before_the_pause_do_not_count() -> None:
    b = breaker()
    b.record(MANY_BAD, now=0.0)
    assert b.record(MANY_BAD, now=10.0) is BreakerState.OPEN
    assert b.tick(31.0) is BreakerState.HALF_OPEN
    assert b.failure_rate == 0.0


def test_a_few_failures_decide_nothing() -> None:
    assert breaker().record([BAD] * (MIN_OUTCOMES - 1), now=0.0) is BreakerState.CLOSED


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=8), max_size=60))
def test_it_runs_as_long_as_at_most_half_fail(groups: list[list[bool]]) -> None:
    """Each failure is paired with a success, so no window lies above one half by more than its odd end."""
    b = CircuitBreaker(limit=0.6, window=100, pause_s=30.0)
    for now, group in enumerate(groups):
        outcomes: list[CandidateOutcome] = []
        for failed in group:
            outcomes += [GOOD, BAD] if failed else [GOOD]
        assert b.record(outcomes, float(now)) is BreakerState.CLOSED


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=40))
def test_stopped_is_final(events: list[tuple[bool, float]]) -> None:
    b, now, seen_stop = breaker(), 0.0, False
    for good, wait in events:
        now += wait
        state = b.record(MANY_GOOD if good else MANY_BAD, now)
        seen_stop = seen_stop or state is BreakerState.STOPPED
        assert not seen_stop or state is BreakerState.STOPPED
