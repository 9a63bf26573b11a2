"""An OpenAI-compatible endpoint in trouble: the client's failures are typed as everywhere. (Scores: tests/parity.)"""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from oars.compass.outcome import Failed, FailureReason
from oars.config import RewardClientConfig
from reward_server.client import CompassClient, probe
from reward_server.errors import NoCompass

LR, GROUP = np.zeros((16, 16, 3), np.uint8), np.zeros((2, 64, 64, 3), np.uint8)


class Server:
    """Knows its model and tokens, and answers every chat with one status."""

    def __init__(self, status: int) -> None:
        self.status, self.chats = status, 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            length = 0
            while (line := await reader.readline()).strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            body = json.loads(await reader.readexactly(length)) if length else None
            status, answer = self._answer(request.split()[1].decode(), body)
            payload = json.dumps(answer).encode()
            writer.write(b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n" % (status, len(payload)) + payload)
            await writer.drain()
        writer.close()

    def _answer(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "judge"}]}
        if path == "/tokenize":
            return 200, {"tokens": [ord(body["prompt"])]}
        self.chats += 1
        return self.status, {}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (503, FailureReason.UNAVAILABLE),
        (429, FailureReason.UNAVAILABLE),
        (504, FailureReason.DEADLINE),
        (400, FailureReason.ENGINE_ERROR),
    ],
)
def test_a_server_in_trouble_is_a_typed_failure(status: int, reason: FailureReason) -> None:
    async def run() -> None:
        known = Server(status)
        async with await asyncio.start_server(known, "127.0.0.1", 0) as server:
            endpoint = f"openai+http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            config = RewardClientConfig(endpoint=endpoint, attempts=1, patience_s=1e-6)
            async with CompassClient(config) as compass:
                answer = await compass.score("a", LR, GROUP)
        assert [getattr(outcome, "reason", None) for outcome in answer.outcomes] == [reason] * 2
        assert known.chats >= 1

    asyncio.run(run())


def test_a_picture_longer_than_the_judge_takes_is_not_sent() -> None:
    async def run() -> None:
        known = Server(400)
        async with await asyncio.start_server(known, "127.0.0.1", 0) as server:
            endpoint = f"openai+http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            async with CompassClient(RewardClientConfig(endpoint=endpoint, attempts=1, patience_s=1e-6)) as compass:
                [outcome] = (await compass.score("a", LR, np.zeros((1, 8, 5000, 3), np.uint8))).outcomes
        assert isinstance(outcome, Failed) and outcome.reason is FailureReason.BAD_IMAGE
        assert outcome.detail == "candidate 0: 5000x8 pixels are 625:1, at most 200:1"
        assert known.chats == 1, "about the LR"

    asyncio.run(run())


@pytest.mark.parametrize("scheme", ["openai+http", "http", "grpc"])
def test_nobody_there_is_one_line(scheme: str) -> None:
    endpoint = f"{scheme}://127.0.0.1:9/v1"
    with pytest.raises(NoCompass, match=f"^{scheme.replace('+', '.')}://127.0.0.1:9/v1: [^\n]+$"):
        probe(RewardClientConfig(endpoint=endpoint, deadline_s=5))
    with pytest.raises(ValueError, match="endpoint"):
        RewardClientConfig(endpoint="ftp://somewhere")


def test_a_failed_score_names_every_candidate() -> None:
    async def run() -> None:
        config = RewardClientConfig(endpoint="http://127.0.0.1:9", attempts=1, patience_s=1e-6)
        async with CompassClient(config) as compass:
            outcomes = (await compass.score("a", LR, GROUP)).outcomes
            assert len(outcomes) == 2 and all(isinstance(outcome, Failed) for outcome in outcomes)

    asyncio.run(run())
