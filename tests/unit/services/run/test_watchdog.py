"""The watchdog names what waits for what, and reports a stall once."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from services.run.watchdog import Waits, Watchdog


def test_a_stall_names_every_wait_oldest_first() -> None:
    waits = Waits(last_progress=0.0)
    waits.begin("group a", "a free worker", now=1.0)
    waits.begin("learner", "4 scored groups", now=0.5)
    done = waits.begin("group b", "scores", now=0.0)
    waits.end(done)
    assert waits.stall(now=11.0, limit_s=10.0) == (
        "no progress for 11 s: learner waits for 4 scored groups (10 s); group a waits for a free worker (10 s)"
    )


@given(st.floats(0, 1e6), st.floats(0.1, 1e4), st.floats(0, 1e4))
def test_a_stall_is_idleness_beyond_the_limit_and_nothing_else(start: float, limit: float, idle: float) -> None:
    waits = Waits(last_progress=start)
    assert (waits.stall(start + idle, limit) is not None) == ((start + idle) - start > limit)


def test_an_idle_run_is_reported_once_and_a_stopped_watchdog_ends() -> None:
    reported = threading.Event()
    messages: list[str] = []

    def on_stall(message: str) -> None:
        messages.append(message)
        reported.set()

    watchdog = Watchdog(limit_s=0.05)
    watchdog.start(on_stall)
    with watchdog.waiting("learner", "groups"):
        assert reported.wait(5.0)
    watchdog.stop()
    assert len(messages) == 1 and "learner waits for groups" in messages[0]
    assert not any(thread.name == "watchdog" for thread in threading.enumerate())
