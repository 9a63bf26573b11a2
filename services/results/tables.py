"""A run's summary as a person reads it on a terminal."""

from rich.table import Table

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


def phase_table(phases: list[Phase]) -> Table:
    """Table of the time that groups spent in each phase."""
    table = Table("phase of a group", "groups", "mean s", "95 % within s", "sum s")
    for phase in phases:
        table.add_row(phase.name, str(phase.groups), *(f"{s:.2f}" for s in (phase.mean, phase.p95, phase.total)))
    return table


def held_out_table(summary: Summary) -> Table:
    """One row a metric, one column a model, and the paired difference aligned - sft with its interval."""
    table = Table("metric", *summary.held_out, "aligned - sft [95 %]")
    names = dict.fromkeys(name for model in summary.held_out.values() for name in model.metrics)
    paired = summary.paired.get("aligned-sft", {})
    for name in names:
        means = [model.metrics.get(name) for model in summary.held_out.values()]
        difference = paired.get(name)
        arrow = " (lower is better)" if name in summary.lower_is_better else ""
        table.add_row(
            name + arrow,
            *(f"{interval.mean:.3f}" if interval else "-" for interval in means),
            f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]" if difference else "-",
        )
    return table


def reward_of(summary: Summary, model: str) -> str:
    """Held-out COMPASS reward, or a dash."""
    held_out = summary.held_out.get(model)
    reward = held_out.metrics.get("reward") if held_out else None
    return f"{reward.mean:.3f}" if reward else "-"
