"""The client's retry policy: bounded, jittered, patient with an absent service, strict with late answers."""

from hypothesis import given
from hypothesis import strategies as st

from oars.compass.outcome import FailureReason
from oars.config import RewardClientConfig
from oars.retry import GiveUp, Retry
from reward_server.retry import MAX_WAIT_S, after_failure

CONFIG = RewardClientConfig(attempts=3, patience_s=60, backoff_s=0.5)
LATE, ABSENT = FailureReason.DEADLINE, FailureReason.UNAVAILABLE
draws = st.floats(0, 1, exclude_max=True)


@given(st.lists(st.sampled_from([LATE, ABSENT]), min_size=1, max_size=50), st.floats(0, 1e4), draws)
def test_every_wait_is_positive_and_bounded(failures: list[FailureReason], elapsed: float, draw: float) -> None:
    decision = after_failure(failures, elapsed, CONFIG, draw)
    if isinstance(decision, Retry):
        assert 0 < decision.wait_s <= MAX_WAIT_S
    else:
        assert decision.reason is failures[-1]


@given(st.floats(0, 1e4), draws)
def test_late_answers_are_counted(elapsed: float, draw: float) -> None:
    assert isinstance(after_failure([LATE, ABSENT, LATE], min(elapsed, 59), CONFIG, draw), Retry)
    assert after_failure([LATE, ABSENT, LATE, LATE], elapsed, CONFIG, draw) == GiveUp(LATE)


def test_an_absent_service_is_waited_for_as_long_as_patience_lasts() -> None:
    assert isinstance(after_failure([ABSENT] * 100, 59.9, CONFIG, 0), Retry)
    assert after_failure([ABSENT], 60, CONFIG, 0) == GiveUp(ABSENT)


def test_waits_double_from_the_first_and_jitter_shortens_them() -> None:
    waits = [after_failure([ABSENT] * n, 0, CONFIG, 0) for n in (1, 2, 3, 4, 5, 6)]
    assert waits == [Retry(0.5), Retry(1.0), Retry(2.0), Retry(4.0), Retry(MAX_WAIT_S), Retry(MAX_WAIT_S)]
    assert after_failure([ABSENT], 0, CONFIG, 0.5) == Retry(0.375)
