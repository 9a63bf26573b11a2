"""Stop requests to a run: SIGTERM (`ray job stop`), Ctrl-C, the watchdog. It ends at the next step boundary.

Ray installs its own handlers in `ray.init`, so `catch_signals` must run after it. A second signal ends the process the
ordinary way at once.
"""

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class StopRequest:
    """Set once; readers look at `requested` at step boundaries, or wait for `event`."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    exit_code: int = 0

    @property
    def requested(self) -> bool:
        return self.event.is_set()

    def request(self, reason: str, exit_code: int) -> None:
        if not self.requested:
            self.reason, self.exit_code = reason, exit_code
            self.event.set()

    async def unless_requested(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of work that keeps nothing worth saving; cancelled, and None, once a stop is requested."""
        async with asyncio.TaskGroup() as tasks:
            working, asked = tasks.create_task(work), tasks.create_task(self.event.wait())
            await asyncio.wait((working, asked), return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if not working.done():
                working.cancel()
        return None if working.cancelled() else working.result()

    def catch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._caught, loop, number)

    def _caught(self, loop: asyncio.AbstractEventLoop, number: signal.Signals) -> None:
        # 128 + n is how a shell reports a process that signal n ended.
        self.request(f"{number.name} received", 128 + number)
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
