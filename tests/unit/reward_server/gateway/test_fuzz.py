"""The short form of `python -m benchmarks.fuzz_reward`, on gateways in front of a judge whose answers are known."""

import asyncio
from pathlib import Path

import pytest
from gateways import KnownJudge, opened

from benchmarks.fuzz.report import is_fault
from benchmarks.fuzz.run import Target
from benchmarks.fuzz_reward import fuzz, gateway_settings

TOKEN = "fuzz-0123456789abcdef"


def test_bad_inputs_break_nothing(tmp_path: Path) -> None:
    tokens, token = tmp_path / "tokens", tmp_path / "token"
    tokens.write_text(f"fuzz {TOKEN}")
    token.write_text(TOKEN)
    settings = gateway_settings(tokens).model_dump() | {"read_timeout_s": 1.0}

    async def run() -> None:
        async with opened(KnownJudge(), **settings) as gateway:
            assert gateway.http_port is not None and gateway.grpc_port is not None
            target = Target("127.0.0.1", gateway.http_port, gateway.grpc_port, 1.0, TOKEN)
            report = await asyncio.to_thread(fuzz, target, token, 400, 0)
            assert report.faults == []
            assert report.bad_inputs > 350 and report.good > 10
            # The families reach the code they aim at: some inputs are judged, some refused, some never end.
            answers = set().union(*report.answers.values())
            assert {"200", "422", "408", "OK", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "closed"} <= answers

    asyncio.run(run())


@pytest.mark.parametrize(("answer", "fault"), [("500", True), ("502", True), ("503", False), ("UNKNOWN", True)])
def test_only_a_broken_server_is_a_fault(answer: str, fault: bool) -> None:
    assert is_fault(answer) is fault
