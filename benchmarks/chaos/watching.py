"""Outcome of a fault, and the watch for the moments at which it is noticed and work goes on.

Noticed: the log, Serve, or the harness (for the driver, whose death its own log cannot tell) says so. Working: the role
that was struck has done a piece of work that began after its fault: a group sampled by that worker, a step of the new
learner ranks, a group scored by another replica, a step of the resumed driver.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.chaos.subject import Missed, Subject

# Longer than any promise: what takes longer is reported as missed.
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Outcome:
    """Seconds from the fault; None is never."""

    fault: str
    noticed_s: float | None
    working_s: float | None
    remark: str = ""
    said: str = ""
    """The line that the run printed or logged about it; empty without one."""
    violations: tuple[str, ...] = ()
    """Rules of the ledger that are broken since: groups lost, trained twice or invented."""
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))
    """The machine's load average over the last minute: seconds mean little on a busy machine."""


Fault = Callable[[Subject], Outcome]
Look = Callable[[], float | None]
"""The moment, Unix time, at which something happened; None if it has not."""


def watch(
    subject: Subject, name: str, at: float, noticed: Look, working: Look, said: str | None = None, remark: str = ""
) -> Outcome:
    """Both looked for at once: work can go on before its interruption is in the log. `said`: None for the first warning
    that is logged after the fault. `remark` gives way to what was missed."""
    seen: dict[str, float] = {}

    def both() -> bool | None:
        for what, look in (("noticed", noticed), ("working", working)):
            if what not in seen and (moment := look()) is not None:
                seen[what] = moment - at
        return True if len(seen) == 2 else None

    try:
        subject.until(name, both, PATIENCE_S)
    except Missed as error:
        remark = str(error)
    line = subject.first_warning(at) if said is None else said
    return Outcome(name, seen.get("noticed"), seen.get("working"), remark, line)


def watch_resumed(subject: Subject, name: str, at: float, gone: float, said: str) -> Outcome:
    """After a fault that ended the driver at `gone`: another one is started, and has to do a step."""
    subject.resume()
    return watch(subject, name, at, lambda: gone, lambda: subject.step_after(gone), said)


def ended(subject: Subject) -> tuple[float, str]:
    """When the driver has ended by itself, and the line that it printed last. Raises Missed."""
    code = subject.until("the driver's end", subject.driver.poll, PATIENCE_S, driven=False)
    return time.time(), f"{subject.last_words()} (exit code {code})"
