"""`python -m benchmarks.chaos --minutes 20`: every kill in turn, then kills at random; table and chaos.json. With
`--faults all` each role is also stopped (SIGSTOP) for longer than its deadline.

At the end the run is resumed once more, with few steps left, and goes to its ordinary end; then no group may be
unaccounted for, no process and no object may be left.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.chaos.faults import ENGINE, FAULTS, KILLS, REPLICA, Outcome
from benchmarks.chaos.subject import Subject, attacked, stored_objects
from benchmarks.descendants import descendants
from benchmarks.result import RESULTS, Result, write_result

NOTICED_S, WORKING_S = 30.0, 60.0
_CLEAN_UP_S = 60.0


def attack(subject: Subject, minutes: float, names: list[str], draw: random.Random) -> list[Outcome]:
    """Each fault once, then at random until the time is over; a step is done between two."""
    outcomes, end = [], time.monotonic() + 60 * minutes
    while names or time.monotonic() < end:
        name = names.pop(0) if names else draw.choice(list(KILLS))
        outcome = FAULTS[name](subject)
        outcomes.append(outcome)
        print(f"{outcome}  violations: {subject.violations(final=False)}", flush=True)
        if subject.driver.poll() is not None:
            break  # the remark says so; what is accounted for must still hold
        subject.await_step()
        time.sleep(draw.uniform(0, 3))
    return outcomes


def finish(subject: Subject) -> dict[str, Any]:
    """Stop it, let a last driver bring it to its end, and account for everything."""
    stopped = subject.stop() if subject.driver.poll() is None else subject.driver.returncode
    left = subject.value("SELECT COUNT(*) FROM steps WHERE done IS NOT NULL") + 2
    subject.resume("--set", f"stages.fr_rl.steps={left}")
    code = subject.driver.wait(1200)
    count = subject.value
    trained = count("SELECT COUNT(*) FROM exits WHERE reason IS NULL")
    return {
        "exit_code_of_sigterm": stopped,
        "exit_code_of_the_last_driver": code,
        "drivers": count("SELECT COUNT(*) FROM drivers"),
        "steps": count("SELECT COUNT(*) FROM steps WHERE done IS NOT NULL"),
        "groups_admitted": count("SELECT COUNT(*) FROM groups"),
        "groups_trained": trained,
        "groups_dropped": count("SELECT COUNT(*) FROM exits WHERE reason IS NOT NULL"),
        "groups_lost": len([v for v in subject.violations(final=True) if "never left" in v]),
        "groups_trained_twice": trained - count("SELECT COUNT(DISTINCT group_id) FROM leases"),
        "violations": subject.violations(final=True),
        "failed_attempts": count("SELECT COUNT(*) FROM attempts WHERE error IS NOT NULL"),
        "greatest_staleness": count("SELECT MAX(staleness) FROM leases"),
        "steps_repeated": _lines(subject, '"event": "step_repeated"'),
        "repeated_steps_that_differ": _lines(subject, '"level": "warning", "run": "chaos", "event": "step_repeated"'),
        "objects_before": subject.objects_before,
        "objects_left": stored_objects(),
        "engines": len(descendants(ENGINE)),
        "replicas": len(descendants(REPLICA)),
    }


def _lines(subject: Subject, text: str) -> int:
    return sum(text in line for line in (subject.directory / "log.jsonl").read_text().splitlines())


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
    shown = Table("fault", "times", "noticed s (median, max)", "working again s (median, max)")
    for row in found:
        seconds = [f"{row[name]}, {row[f'{name}_max']}" for name in ("noticed_s", "working_s")]
        shown.add_row(row["fault"], str(row["times"]), *seconds)
    return shown


def within(outcome: Outcome) -> bool:
    """Both promises kept."""
    noticed, working = outcome.noticed_s, outcome.working_s
    return noticed is not None and working is not None and noticed < NOTICED_S and working < WORKING_S


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="of faults, the turns included")
    parser.add_argument(
        "--faults", default=",".join(KILLS), help="names in turn, before random kills; `all`: also the SIGSTOPs"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for chaos.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oars-chaos-") as folder:
        with attacked(Path(folder)) as subject:
            outcomes = attack(
                subject,
                given.minutes,
                list(FAULTS) if given.faults == "all" else given.faults.split(","),
                random.Random(given.seed),
            )
            account = finish(subject)
        psutil.wait_procs(descendants(), timeout=_CLEAN_UP_S)
        account["orphans"] = [process.name() for process in descendants()]
    found = rows(outcomes)
    kept = sum(map(within, outcomes))
    details = {"promise_s": {"noticed": NOTICED_S, "working": WORKING_S}, "faults": found, "account": account}
    share = Result(
        name="chaos",
        value=kept / len(outcomes),
        unit="share of faults within the promise",
        repeats=len(outcomes),
        details=details,
    )
    write_result(share, given.results)
    Console(width=110).print(table(found))
    print(account)


if __name__ == "__main__":
    main()
