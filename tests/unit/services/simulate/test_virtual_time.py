"""Virtual time: the clock jumps, order is kept, threads are none, and a deadlock is an error."""

import asyncio
import time

import pytest

from services.simulate.virtual_time import Deadlock, run_virtual


def test_hours_pass_at_once_in_order() -> None:
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, *seconds: float) -> None:
        for pause in seconds:
            await asyncio.sleep(pause)
            seen.append((name, asyncio.get_running_loop().time()))

    async def program() -> float:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sleeper("a", 3600, 7200))
            tasks.create_task(sleeper("b", 5000, 5000))
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_virtual(program) == 10800
    assert time.monotonic() - began < 3600
    assert seen == [("a", 3600), ("b", 5000), ("b", 10000), ("a", 10800)]


def test_timeouts_and_threads_work() -> None:
    async def program() -> tuple[bool, int, str]:
        late = False
        try:
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        except TimeoutError:
            late = True
        inline = await asyncio.to_thread(lambda: 7)
        try:
            await asyncio.to_thread(lambda: 1 // 0)
        except ZeroDivisionError:
            return late, inline, f"{asyncio.get_running_loop().time():.0f}"
        raise AssertionError

    assert run_virtual(program) == (True, 7, "60")


def test_waiting_for_nothing_is_a_deadlock() -> None:
    async def program() -> None:
        await asyncio.sleep(5)
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="at 5 s"):
        run_virtual(program)
