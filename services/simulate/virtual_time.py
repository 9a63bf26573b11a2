"""An event loop whose clock jumps to the next timer: hours of waiting cost no time, computing costs none of the clock.

Invariants: callbacks run in the order in which a real loop would run them if computing took no time; work for a thread
runs inline, so nothing happens outside the loop and a seeded program is deterministic. A loop that has nothing to run
and no timer would wait for ever: that is a deadlock of the program, and an error here.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Every task waits for another one."""


class _Jump(selectors.DefaultSelector):
    """Instead of waiting, moves the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock(f"at {self.now:.0f} s nothing is left that could happen")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Seconds start at 0."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # it belongs to who awaits, as an executor's thread has it
            future.set_exception(error)
        return future


def run_virtual(program: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Like asyncio.run, in virtual time; `asyncio.get_running_loop().time` is the clock. Raises Deadlock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(program())
