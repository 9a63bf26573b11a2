"""`python -m benchmarks.chaos --minutes 20`: every kill in turn, then kills at random; table and chaos.json.

With `--faults all` every fault there is, in turn: also each role stopped (SIGSTOP) for longer than its
deadline, damaged files, a wall clock that jumps, a full disk, a node that is lost and a link that is cut. The last
three need user namespaces, where the cluster has a second node.

At the end the run is resumed once more, with few steps left, and goes to its ordinary end; then no group may be
unaccounted for, no process and no object may be left.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from benchmarks.chaos.faults import FAULTS, IN_NAMESPACES
from benchmarks.chaos.roles import ENGINE, KILLS, REPLICA
from benchmarks.chaos.subject import Missed, Subject, attacked, stored_objects
from benchmarks.chaos.table import NOTICED_S, WORKING_S, rows, table, within
from benchmarks.chaos.watching import Outcome
from benchmarks.chaos.world import enter
from benchmarks.descendants import descendants
from benchmarks.result import RESULTS, Result, write_result

_CLEAN_UP_S = 60.0
_WIDTH = 200


def attack(subject: Subject, minutes: float, names: list[str], draw: random.Random) -> list[Outcome]:
    """Each fault once, then at random until the time is over; a step is done between two."""
    outcomes, end = [], time.monotonic() + 60 * minutes
    while names or time.monotonic() < end:
        name = names.pop(0) if names else draw.choice(list(KILLS))
        outcome = replace(_outcome(subject, name), violations=tuple(subject.violations(final=False)))
        outcomes.append(outcome)
        print(outcome, flush=True)
        if subject.driver.poll() is not None:
            subject.resume()  # the remark says that it ended
        if not _goes_on(subject, name):
            break
        time.sleep(draw.uniform(0, 3))
    return outcomes


def _outcome(subject: Subject, name: str) -> Outcome:
    try:
        return FAULTS[name](subject)
    except Missed as error:
        return Outcome(name, None, None, str(error))


def _goes_on(subject: Subject, name: str) -> bool:
    """False, and said, if no step is done after the fault: what was measured before it is kept."""
    try:
        subject.await_step()
    except Missed as error:
        print(f"after {name} no step was done, which ends the attack: {error}", flush=True)
        return False
    return True


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


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    made.add_argument("--minutes", type=float, default=20.0, help="of faults, the turns included")
    made.add_argument(
        "--faults",
        type=lambda text: list(FAULTS) if text == "all" else text.split(","),
        default=list(KILLS),
        help=f"names in turn, before random kills, of {', '.join(FAULTS)}; `all`: each of them. Default: the kills",
    )
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--results", type=Path, default=RESULTS, help="folder for chaos.json")
    made.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return made


def main() -> None:
    given = parser().parse_args()
    if unknown := set(given.faults) - set(FAULTS):
        parser().error(f"--faults: no {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if IN_NAMESPACES & set(given.faults) and not given.inside:
        enter(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # not without ending the cluster
    with tempfile.TemporaryDirectory(prefix="oars-chaos-") as folder:
        with attacked(Path(folder), given.inside) as subject:
            outcomes = attack(subject, given.minutes, list(given.faults), random.Random(given.seed))
            account = finish(subject)
        psutil.wait_procs(descendants(), timeout=_CLEAN_UP_S)
        account["orphans"] = [process.name() for process in descendants()]
    found = rows(outcomes)
    details = {"promise_s": {"noticed": NOTICED_S, "working": WORKING_S}, "faults": found, "account": account}
    share = Result(
        name="chaos",
        value=sum(map(within, outcomes)) / len(outcomes),
        unit="share of faults within the promise",
        repeats=len(outcomes),
        details=details,
    )
    write_result(share, given.results)
    Console(width=_WIDTH).print(table(found))
    print(account)
    if len(outcomes) < len(given.faults):
        sys.exit(f"{len(outcomes)} of {len(given.faults)} faults were made")


if __name__ == "__main__":
    main()
