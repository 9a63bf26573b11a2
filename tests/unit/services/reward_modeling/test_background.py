"""Blocking work beside the event loop: it is heard, its errors are raised, and cancelled it ends by itself."""

import asyncio
import threading

import pytest

from services.reward_modeling.background import Abandoned, in_thread
from services.run.progress import Progress, ProgressLine


class Heard:
    def __init__(self) -> None:
        self.lines: list[ProgressLine] = []

    def update(self, line: ProgressLine) -> None:
        self.lines.append(line)


def test_the_result_and_the_progress_arrive() -> None:
    heard, line = Heard(), ProgressLine("label", 1, 2)

    def work(told: Progress) -> str:
        told.update(line)
        return "done"

    assert asyncio.run(in_thread(work, heard)) == "done" and heard.lines == [line]


def test_an_error_is_the_callers() -> None:
    def work(told: Progress) -> None:
        raise ValueError("no pictures")

    with pytest.raises(ValueError, match="no pictures"):
        asyncio.run(in_thread(work, Heard()))


def test_cancelled_work_ends_at_its_next_line() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(told: Progress) -> None:
        begun.set()
        go_on.wait()
        try:
            told.update(ProgressLine("label", 1, 2))
        except Abandoned:
            ended.set()
            raise

    async def cancelled() -> None:
        task = asyncio.create_task(in_thread(work, heard))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        go_on.set()

    heard = Heard()
    asyncio.run(cancelled())  # waits for its threads
    assert ended.is_set() and heard.lines == []
