"""The one page of an experiment: effect of each arm against the first, its interval over seeds, and minutes. Pure.

The unit is the seed: a difference is that of two runs of one seed, on the same held-out crops. The interval is
Student's, of the few seeds that there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.stats import t

from oars.config.experiment import Direction, ExperimentConfig
from oars.evaluation.intervals import Interval
from oars.report.names import metric_name
from oars.report.summary import Summary

Runs = Mapping[str, Mapping[int, Summary]]
"""Summaries by arm and seed; those of runs that are not over are not there."""
_MODEL = "aligned"


@dataclass(frozen=True)
class Effect:
    """One arm's change of one metric; no interval with fewer than two seeds."""

    arm: str
    metric: str
    change: Interval | None
    expected: Direction

    @property
    def verdict(self) -> str:
        """`seen` or `the other way` where the interval excludes zero."""
        if self.change is None or self.change.low <= 0 <= self.change.high:
            return "open"
        return "seen" if (self.change.mean > 0) == (self.expected == "up") else "the other way"


def effects(config: ExperimentConfig, runs: Runs) -> list[Effect]:
    """Each arm but the first, each expected metric."""
    first, *others = config.arms
    return [
        Effect(arm, metric, _interval(_differences(runs.get(first, {}), runs.get(arm, {}), metric)), expected)
        for arm in others
        for metric, expected in config.expected.items()
    ]


def page(name: str, config: ExperimentConfig, runs: Runs) -> str:
    """Markdown."""
    first, done = next(iter(config.arms)), sum(len(of) for of in runs.values())
    return "\n".join(
        [
            f"# {name}",
            "",
            config.question,
            "",
            f"{done} of {len(config.arms) * len(config.seeds)} runs, seeds {', '.join(map(str, config.seeds))}: "
            f"held-out crops of the aligned model, against `{first}`, seed by seed; 95 % intervals over seeds.",
            "",
            "| arm | metric | change | interval | seeds | expected | verdict |",
            "|---|---|---|---|---|---|---|",
            *(_row(effect) for effect in effects(config, runs)),
            "",
            "| arm | overrides | minutes a run | alarms | runs |",
            "|---|---|---|---|---|",
            *(_arm(arm, overrides, list(runs.get(arm, {}).values())) for arm, overrides in config.arms.items()),
            "",
        ]
    )


def _row(effect: Effect) -> str:
    change = effect.change
    figures = ["-", "-", "0"] if change is None else _figures(change)
    return f"| {' | '.join([effect.arm, metric_name(effect.metric), *figures, effect.expected, effect.verdict])} |"


def _figures(change: Interval) -> list[str]:
    return [f"{change.mean:+.3g}", f"{change.low:+.3g} to {change.high:+.3g}", str(change.count)]


def _arm(arm: str, overrides: Sequence[str], runs: Sequence[Summary]) -> str:
    minutes = f"{fmean(run.seconds_total for run in runs) / 60:.1f}" if runs else "-"
    alarms = sum(bool(run.alarms) for run in runs)
    changed, ids = ", ".join(f"`{one}`" for one in overrides) or "-", ", ".join(run.run_id for run in runs)
    return f"| {arm} | {changed} | {minutes} | {alarms} of {len(runs)} | {ids} |"


def _differences(before: Mapping[int, Summary], after: Mapping[int, Summary], metric: str) -> list[float]:
    pairs = [(_value(before[seed], metric), _value(after[seed], metric)) for seed in before.keys() & after.keys()]
    return [b - a for a, b in pairs if a is not None and b is not None]


def _value(summary: Summary, metric: str) -> float | None:
    held_out = summary.held_out.get(_MODEL)
    interval = held_out.metrics.get(metric) if held_out else None
    return None if interval is None else interval.mean


def _interval(differences: Sequence[float]) -> Interval | None:
    count = len(differences)
    if count < 2:
        return None
    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1)) / count**0.5
    half = float(t.ppf(0.975, count - 1)) * error
    return Interval(mean=mean, low=mean - half, high=mean + half, count=count)
