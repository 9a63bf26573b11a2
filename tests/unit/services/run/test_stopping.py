"""A stop is asked for once, and ends what need not be saved."""

import asyncio

import pytest

from services.run.stopping import StopRequest


def test_the_first_reason_counts() -> None:
    stop = StopRequest()
    stop.request("SIGTERM received", 143)
    stop.request("SIGINT received", 130)
    assert stop.requested and (stop.reason, stop.exit_code) == ("SIGTERM received", 143)


def test_work_that_keeps_nothing_is_cancelled_by_a_stop() -> None:
    ended: list[str] = []

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")
        return "done"

    async def scenario() -> None:
        stop = StopRequest()
        asyncio.get_running_loop().call_later(0.01, stop.request, "SIGTERM received", 143)
        assert await stop.unless_requested(work()) is None

    asyncio.run(scenario())
    assert ended == ["cancelled"]


def test_without_a_stop_there_is_a_result_or_the_error() -> None:
    async def fails() -> str:
        raise ValueError("broken")

    async def scenario() -> None:
        assert await StopRequest().unless_requested(asyncio.sleep(0, "done")) == "done"
        with pytest.raises(ExceptionGroup) as caught:
            await StopRequest().unless_requested(fails())
        assert isinstance(caught.value.exceptions[0], ValueError)

    asyncio.run(scenario())
