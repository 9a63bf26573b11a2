"""Notices that a run makes no progress, names what waits for what, and ends it.

`Waits` is the pure part: who waits for what since when, and when something last got done. `Watchdog` is a thread, so
that it also sees a blocked event loop: it asks the run to end, and ends the process if that does not happen either.
"""

import asyncio
import faulthandler
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

# Exit code of a run that stalled so hard that it could not end itself (EX_SOFTWARE of sysexits.h).
HARD_EXIT = 70


class RunStalled(RuntimeError):
    """No progress within `control.stall_s`; the message names what waits for what."""


@dataclass(frozen=True)
class Wait:
    who: str
    what: str
    since: float


@dataclass
class Waits:
    """Open waits and the time of the last progress."""

    last_progress: float
    _open: dict[int, Wait] = field(default_factory=dict)
    _next: int = 0

    def begin(self, who: str, what: str, now: float) -> int:
        self._next += 1
        self._open[self._next] = Wait(who, what, now)
        return self._next

    def end(self, token: int) -> None:
        """Not progress by itself: a wait can end in a time-out."""
        del self._open[token]

    def stall(self, now: float, limit_s: float) -> str | None:
        """One line that names every open wait, the oldest first, if nothing got done for `limit_s`; else None."""
        idle = now - self.last_progress
        if idle <= limit_s:
            return None
        waits = sorted(list(self._open.values()), key=lambda wait: wait.since)
        named = "; ".join(f"{w.who} waits for {w.what} ({now - w.since:.0f} s)" for w in waits)
        return f"no progress for {idle:.0f} s: {named or 'nothing is being waited for'}"


class Watchdog:
    """Runs from `start` to `stop`; the process is ended if the run does not end within `grace_s` of a stall."""

    def __init__(self, limit_s: float, grace_s: float = 60.0, now: Callable[[], float] = time.monotonic) -> None:
        self.waits = Waits(now())
        self._now = now
        self._limit_s, self._grace_s = limit_s, grace_s
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_stall: Callable[[str], None]) -> None:
        """`on_stall(message)` is called in the watchdog's thread, once, and must make the run end."""
        self.beat()
        self._thread = threading.Thread(target=self._watch, args=(on_stall,), name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread:
            self._thread.join(timeout=5.0)

    def beat(self) -> None:
        """Something got done."""
        self.waits.last_progress = self._now()

    @contextmanager
    def waiting(self, who: str, what: str) -> Iterator[None]:
        """Name a wait while it lasts."""
        token = self.waits.begin(who, what, self._now())
        try:
            yield
        finally:
            self.waits.end(token)

    async def wait(self, who: str, what: str, answer: Awaitable[T], deadline_s: float) -> T:
        """Await with a name and a deadline; the answer counts as progress. Raises RunStalled when the time is over."""
        with self.waiting(who, what):
            try:
                async with asyncio.timeout(deadline_s):
                    result = await answer
            except TimeoutError as error:
                raise RunStalled(f"{who} waited for {what} longer than {deadline_s:.0f} s") from error
        self.beat()
        return result

    def _watch(self, on_stall: Callable[[str], None]) -> None:
        # Twenty looks per limit: a stall is reported at most 5 % late.
        while not self._stopped.wait(self._limit_s / 20):
            if message := self.waits.stall(self._now(), self._limit_s):
                on_stall(message)
                self._end_the_process(message)
                return

    def _end_the_process(self, message: str) -> None:
        if not self._stopped.wait(self._grace_s):
            print(f"error: {message}; the run did not end by itself", flush=True)
            faulthandler.dump_traceback()
            os._exit(HARD_EXIT)
