"""A run's summary as a person reads it on a terminal of 80 columns."""

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from oars.evaluation.intervals import Interval
from oars.report.summary import Summary
from services.run.history import Phase


def groups_line(summary: Summary) -> str:
    """Groups by what became of them, and staleness."""
    groups = summary.groups
    dropped = ", ".join(f"{reason} {count}" for reason, count in groups.dropped.items() if count) or "none"
    return (
        f"groups: {groups.admitted} admitted, {groups.trained} trained, {groups.in_flight} in flight, "
        f"dropped: {dropped}; "
        f"staleness mean {summary.staleness.mean:.2f}, max {summary.staleness.max}"
    )


def seconds_line(summary: Summary) -> str:
    """Seconds that the roles worked, and that each waited: the first look when a run is slow."""
    spent = summary.seconds
    phases = {"rollout": spent.rollout, "score": spent.score, "train": spent.train, "publish": spent.publish}
    idle = ", ".join(f"{role} {seconds:.0f}" for role, seconds in spent.idle.items()) or "none"
    return f"seconds: {', '.join(f'{name} {seconds:.0f}' for name, seconds in phases.items())}; idle: {idle}"


def compact(*columns: Column) -> Table:
    """An empty table without vertical rules, which spares width."""
    return Table(*columns, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def figures(*names: str) -> list[Column]:
    """Columns of numbers, which never wrap."""
    return [Column(name, justify="right", no_wrap=True) for name in names]


def text(name: str) -> Column:
    """A column of words, which wraps and is never cut off."""
    return Column(name, overflow="fold")


def phase_table(phases: list[Phase]) -> Table:
    """Table of the time that groups spent in each phase."""
    table = compact(text("phase of a group"), *figures("groups", "mean s", "95 % within s", "sum s"))
    for phase in phases:
        table.add_row(phase.name, str(phase.groups), *(f"{s:.2f}" for s in (phase.mean, phase.p95, phase.total)))
    return table


def held_out_table(summary: Summary) -> Table:
    """One row a metric, one column a model, and the paired difference aligned - sft with its interval."""
    table = compact(text("metric"), *figures(*summary.held_out, "aligned - sft [95 %]"))
    table.caption = "* lower is better" if summary.lower_is_better else None
    table.caption_justify = "left"
    names = dict.fromkeys(name for model in summary.held_out.values() for name in model.metrics)
    paired = summary.paired.get("aligned-sft", {})
    for name in names:
        means = [model.metrics.get(name) for model in summary.held_out.values()]
        table.add_row(
            name + (" *" if name in summary.lower_is_better else ""),
            *(_figure(interval.mean) if interval else "-" for interval in means),
            _difference(paired.get(name)),
        )
    return table


def _difference(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    mean, low, high = (_figure(value, sign="+") for value in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]"


def _figure(value: float, sign: str = "") -> str:
    """A figure of at most five digits, so that a row of four models fits."""
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    return f"{value:{sign}.{digits}f}"


def reward_of(summary: Summary, model: str) -> str:
    """Held-out COMPASS reward, or a dash."""
    held_out = summary.held_out.get(model)
    reward = held_out.metrics.get("reward") if held_out else None
    return f"{reward.mean:.3f}" if reward else "-"
