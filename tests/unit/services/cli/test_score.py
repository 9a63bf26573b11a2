"""`oars score` through a gateway: the readings in one order, and no proxy of the environment asked."""

import asyncio
from pathlib import Path

import pytest
from command_line import runner
from gateways import KnownJudge, opened
from PIL import Image

from services.cli.main import app


async def first_words(picture: Path, scheme: str) -> list[str]:
    """Of each line of the answer."""
    async with opened(KnownJudge()) as gateway:
        port = {"grpc": gateway.grpc_port, "http": gateway.http_port}[scheme]
        command = ["score", str(picture), str(picture), "--endpoint", f"{scheme}://127.0.0.1:{port}"]
        result = await asyncio.to_thread(runner.invoke, app, command)
    assert result.exit_code == 0, result.output
    return [line.split()[0] for line in result.stdout.splitlines()]


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_served_judge_answers_past_a_dead_proxy(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Image.new("RGB", (96, 96), "teal").save(tmp_path / "a.png")
    said = asyncio.run(first_words(tmp_path / "a.png", scheme))
    assert said == ["F", "Q_LR", "Q_SR", "conf", "R", "judge:"]
