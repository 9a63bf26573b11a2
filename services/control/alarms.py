"""Decides by the levels of all looks so far which alarms are raised now. Pure.

An alarm is raised when its level was above its limit at `in_a_row` looks in a row, and again after as many more; so a
run that was paused and resumed gets the same number of looks before it is paused again.
"""

from collections.abc import Mapping, Sequence

from oars.config.alarms import ALARMS, AlarmName, AlarmsConfig
from oars.report.summary import Alarm

Levels = Mapping[AlarmName, float]

GOOD = 0.5
"""Share of a limit. What crosses a limit began before: those of honest runs of the miniature stay below 0.4."""


def is_good(levels: Levels, config: AlarmsConfig) -> bool:
    """A roll-back may go back to it: no level is above half of a limit that ends or pauses RL. The first look, which
    has no levels, is good."""
    ending = [name for name in levels if config.alarm(name).action != "warn"]
    return all(levels[name] <= GOOD * config.alarm(name).limit for name in ending)


def raised(step: int, history: Sequence[Levels], config: AlarmsConfig) -> list[Alarm]:
    """Alarms of the newest look, at RL step `step`; `history` has all looks after the first, the newest last."""
    alarms = []
    for name in _above(history[-1], config):
        alarm = config.alarm(name)
        if _streak([levels[name] > alarm.limit for levels in history]) % config.in_a_row == 0:
            level = history[-1][name]
            alarms.append(Alarm(step=step, name=name, level=level, limit=alarm.limit, action=alarm.action))
    return alarms


def _above(levels: Levels, config: AlarmsConfig) -> list[AlarmName]:
    return [name for name in ALARMS if name in levels and levels[name] > config.alarm(name).limit]


def _streak(looks: Sequence[bool]) -> int:
    """How many of the newest are true in a row."""
    return next((count for count, one in enumerate(reversed(looks)) if not one), len(looks))
