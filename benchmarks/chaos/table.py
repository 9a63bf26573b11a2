"""What an attack came to: a row a fault, and the table that is printed."""

import statistics
from collections import defaultdict
from typing import Any

from rich.table import Table

from benchmarks.chaos.watching import Outcome

NOTICED_S, WORKING_S = 30.0, 60.0


def rows(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """One a fault: how often, and seconds, median and greatest; None where one was missed."""
    by_fault: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_fault[outcome.fault].append(outcome)
    return [
        {
            "fault": fault,
            "times": len(of),
            **_spread("noticed_s", [o.noticed_s for o in of]),
            **_spread("working_s", [o.working_s for o in of]),
            "said": next((o.said for o in of if o.said), ""),
            "violations": sorted({line for o in of for line in o.violations}),
            "remarks": sorted({o.remark for o in of if o.remark}),
            "load": [o.load for o in of],
        }
        for fault, of in by_fault.items()
    ]


def _spread(name: str, values: list[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    whole = len(known) == len(values)
    return {
        name: round(statistics.median(known), 1) if known else None,
        f"{name}_max": round(max(known), 1) if whole else None,
    }


def table(found: list[dict[str, Any]]) -> Table:
    """For people: fault, seconds, the line, whether anything was lost, trained twice or invented, and what to add."""
    shown = Table("fault", "times", "noticed s", "working again s", "said", "lost, twice, invented", "remark")
    for row in found:
        shown.add_row(
            row["fault"],
            str(row["times"]),
            _seconds(row, "noticed_s"),
            _seconds(row, "working_s"),
            row["said"] or "-",
            "; ".join(row["violations"]) or "nothing",
            "; ".join(row["remarks"]),
        )
    return shown


def _seconds(row: dict[str, Any], name: str) -> str:
    """Median and greatest, where they can differ."""
    middle, most = row[name], row[f"{name}_max"]
    if most is None:
        return "never"
    return f"{middle}" if row["times"] == 1 else f"{middle}, at most {most}"


def within(outcome: Outcome) -> bool:
    """Both promises kept."""
    noticed, working = outcome.noticed_s, outcome.working_s
    return noticed is not None and working is not None and noticed < NOTICED_S and working < WORKING_S
