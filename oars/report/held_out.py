"""The table of held-out results, and the first line of the report: gains, losses and alarms together."""

import math
from dataclasses import dataclass

from markupsafe import Markup

from oars.evaluation.intervals import CONCLUSIVE, Interval
from oars.report.charts import whisker
from oars.report.names import INDEPENDENT, MODELS, Model, metric_name, short_metric_name
from oars.report.summary import Summary

PAIR = "aligned-sft"
"""Key of the paired difference that the last column shows."""


@dataclass(frozen=True)
class Cell:
    """One model's figure; no interval where the model lacks the metric."""

    interval: Interval | None
    best: bool


@dataclass(frozen=True)
class Row:
    """One metric."""

    name: str
    independent: bool
    lower_is_better: bool
    decimals: int
    """Decimals for every figure of the row: four significant digits of the largest mean."""
    cells: list[Cell]
    difference: Interval | None
    picture: Markup
    verdict: str


def evaluated_models(summary: Summary) -> list[Model]:
    """Models with held-out results, in pipeline order."""
    return [model for model in MODELS if model in summary.held_out]


def rows(summary: Summary) -> list[Row]:
    """One row per metric, in the order of the first model that has it."""
    models = evaluated_models(summary)
    return [_row(summary, metric) for metric in dict.fromkeys(m for model in models for m in _metrics(summary, model))]


def verdict(difference: Interval | None, lower_is_better: bool) -> str:
    """`better`, `worse`, or `open` where there is no interval, or it holds zero or rests on too little."""
    if difference is None or difference.count < CONCLUSIVE or difference.low <= 0 <= difference.high:
        return "open"
    return "better" if (difference.high < 0) == lower_is_better else "worse"


def headline(summary: Summary) -> str:
    """Gains, losses and alarms in one line; empty for a run that has neither results nor alarms."""
    parts = [_comparison(summary), _alarms(summary)]
    return " ".join(part for part in parts if part)


def _comparison(summary: Summary) -> str:
    """What alignment changed on photos that it never saw."""
    changes = summary.paired.get(PAIR, {})
    if not changes:
        return ""
    by_verdict: dict[str, list[str]] = {"better": [], "worse": [], "open": []}
    for metric, change in changes.items():
        said = verdict(change, metric in summary.lower_is_better)
        name = short_metric_name(metric)
        by_verdict[said].append(name if said == "open" else f"{name} ({change.mean:+.3g})")
    better, worse, unclear = (", ".join(names) or "nothing" for names in by_verdict.values())
    return f"Aligned against SFT, held-out photos: better in {better}; worse in {worse}; no clear change in {unclear}."


def _alarms(summary: Summary) -> str:
    if not summary.alarms:
        return f"No alarm in {summary.looks} looks." if summary.looks else ""
    first = {alarm.name: alarm for alarm in reversed(summary.alarms)}
    raised = "; ".join(f"{a.name} at step {a.step} ({a.level:.3g}, limit {a.limit:g})" for a in first.values())
    back = "" if summary.rolled_back_to is None else f" Rolled back to step {summary.rolled_back_to}."
    return f"Alarms: {raised}.{back}"


def _metrics(summary: Summary, model: str) -> dict[str, Interval]:
    return summary.held_out[model].metrics


def _decimals(largest: float) -> int:
    return max(0, 3 - math.floor(math.log10(largest))) if largest > 0 else 3


def _row(summary: Summary, metric: str) -> Row:
    lower = metric in summary.lower_is_better
    intervals = [_metrics(summary, model).get(metric) for model in evaluated_models(summary)]
    means = [interval.mean for interval in intervals if interval is not None]
    best = min(means) if lower else max(means)
    difference = summary.paired.get(PAIR, {}).get(metric)
    label = f"aligned minus SFT, {metric_name(metric)}"
    return Row(
        name=metric_name(metric),
        independent=metric in INDEPENDENT,
        lower_is_better=lower,
        decimals=_decimals(max(abs(mean) for mean in means)),
        cells=[Cell(interval, interval is not None and interval.mean == best) for interval in intervals],
        difference=difference,
        picture=whisker(label, difference.mean, difference.low, difference.high) if difference else Markup(""),
        verdict=verdict(difference, lower),
    )
