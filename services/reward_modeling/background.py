"""Blocking work beside the event loop, for a caller that may be cancelled.

A thread cannot be ended from outside, so the work ends itself: at the first line of progress that nobody waits for.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from services.run.progress import Progress, ProgressLine

T = TypeVar("T")


class Abandoned(Exception):
    """Raised inside the work whose caller was cancelled."""


@dataclass
class _Until:
    """Progress that is passed on until the work is abandoned."""

    shown: Progress
    abandoned: bool = False

    def update(self, line: ProgressLine) -> None:
        if self.abandoned:
            raise Abandoned
        self.shown.update(line)


async def in_thread(work: Callable[[Progress], T], shown: Progress) -> T:
    """The result of `work`, which tells its progress to what it is given."""
    told = _Until(shown)
    try:
        return await asyncio.to_thread(work, told)
    finally:
        told.abandoned = True
