"""Decides by the levels of all looks so far which alarms are raised now. Pure.

An alarm is raised when its level was above its limit at `in_a_row` looks in a row, and again after as many more; so a
run that was paused and resumed gets the same number of looks before it is paused again.
"""

from collections.abc import Mapping, Sequence

from oars.config.alarms import ALARMS, AlarmName, AlarmsConfig
from oars.report.summary import Alarm

Levels = Mapping[AlarmName, float]


def is_good(levels: Levels, config: AlarmsConfig) -> bool:
    """No level is above a limit that ends RL. The first look, which has no levels, is good."""
    return not any(config.alarm(name).action != "warn" for name in _above(levels, config))


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
