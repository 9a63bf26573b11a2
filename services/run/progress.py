"""Progress of long work: a bar on a terminal, plain lines elsewhere, and the way from one to the other.

A job's output is a log, so the driver prints lines of one fixed shape, `[stage done/total] note`, every few seconds.
`oars align` reads that shape back and draws a bar on the user's terminal.
"""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

# A log grows by at most one line per stage in this time.
_LINE_EVERY_S = 5.0
_LINE = re.compile(r"^\[(?P<stage>[a-z_ ]+) (?P<done>\d+)/(?P<total>\d+)\] ?(?P<note>.*)$")


@dataclass(frozen=True)
class ProgressLine:
    """One line of progress."""

    stage: str
    done: int
    total: int
    note: str = ""

    def __str__(self) -> str:
        return f"[{self.stage} {self.done}/{self.total}] {self.note}".rstrip()

    @classmethod
    def parse(cls, line: str) -> "ProgressLine | None":
        """None if the line is not one of progress."""
        match = _LINE.match(line.strip())
        return cls(match["stage"], int(match["done"]), int(match["total"]), match["note"]) if match else None


class Progress(Protocol):
    """Takes progress of one stage after another."""

    def update(self, line: ProgressLine) -> None: ...


class Lines:
    """Prints lines: the first and last of a stage, and one every few seconds between."""

    def __init__(self, every_s: float = _LINE_EVERY_S) -> None:
        self._every_s = every_s
        self._stage, self._printed = "", 0.0

    def update(self, line: ProgressLine) -> None:
        now = time.monotonic()
        if line.stage != self._stage or line.done == line.total or now - self._printed >= self._every_s:
            self._stage, self._printed = line.stage, now
            print(line, flush=True)


class Bars:
    """Draws one bar a stage on a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        columns = (TextColumn("{task.description:>12}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
        left = (TimeRemainingColumn(), TextColumn("left"))
        # The note takes what the others leave, so that a long one hides none of them.
        note = TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True))
        self.rich = RichProgress(*columns, *left, note, expand=True)
        self._tasks: dict[str, object] = {}

    def update(self, line: ProgressLine) -> None:
        if line.stage not in self._tasks:
            self._tasks[line.stage] = self.rich.add_task(line.stage, total=line.total, note="")
        self.rich.update(self._tasks[line.stage], completed=line.done, total=line.total, note=line.note)  # type: ignore[arg-type]


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars on a terminal, lines elsewhere."""
    if sys.stdout.isatty():
        bars = Bars()
        with bars.rich:
            yield bars
    else:
        yield Lines()
