"""Alarms are raised by looks in a row, each with its own limit and action."""

from hypothesis import given
from hypothesis import strategies as st

from oars.config import AlarmsConfig
from oars.config.alarms import ALARMS, AlarmConfig, AlarmName
from services.control.alarms import is_good, raised

CONFIG = AlarmsConfig(in_a_row=2, lattice=AlarmConfig(limit=1.0, action="roll_back"))


def look(**levels: float) -> dict[AlarmName, float]:
    return {name: levels.get(name, 0.0) for name in ALARMS}


def steps_raised(levels: list[float], config: AlarmsConfig = CONFIG) -> list[int]:
    """Looks, counted from 1, that raise the lattice alarm."""
    history = [look(lattice=level) for level in levels]
    return [n for n in range(1, len(history) + 1) if raised(n, history[:n], config)]


def test_one_look_above_the_limit_is_chance_and_two_in_a_row_are_not() -> None:
    assert steps_raised([2, 0, 2, 2, 2, 2, 0, 2]) == [4, 6]


def test_a_level_at_its_limit_is_not_above_it() -> None:
    assert steps_raised([1, 1, 1]) == []


def test_an_alarm_says_level_limit_and_action() -> None:
    [alarm] = raised(10, [look(lattice=3.14159), look(lattice=3.14159)], CONFIG)
    assert (alarm.step, alarm.name, alarm.action, alarm.limit) == (10, "lattice", "roll_back", 1.0)
    assert alarm.line == "alarm lattice at step 10: 3.14, above 1"


@given(st.sampled_from(ALARMS), st.integers(1, 4), st.integers(1, 12))
def test_every_alarm_is_raised_once_in_so_many_looks(name: AlarmName, in_a_row: int, looks: int) -> None:
    config = CONFIG.model_copy(update={"in_a_row": in_a_row})
    high = look(**{name: 2 * config.alarm(name).limit})
    count = sum(len(raised(n, [high] * n, config)) for n in range(1, looks + 1))
    assert count == looks // in_a_row


def test_a_look_is_good_while_every_alarm_that_ends_or_pauses_the_run_is_at_most_at_half_its_limit() -> None:
    assert is_good({}, CONFIG) and is_good(look(shift=99.0), CONFIG) and is_good(look(lattice=0.5), CONFIG)
    assert not is_good(look(lattice=0.96), CONFIG) and not is_good(look(divergence=0.51), CONFIG)
