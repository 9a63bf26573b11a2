"""A judge behind vLLM's own OpenAI-compatible server, through our client, against the transformers forward pass."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from served_judge import group, judge_config, photo, sharp_judge

from oars.compass.judge import Judge
from oars.compass.outcome import Failed, FailureReason, Judged
from oars.compass.prompt import message_parts
from oars.config import JudgeConfig, RewardClientConfig
from reward_server.client import CompassClient
from reward_server.errors import BadRequest, Unauthenticated
from reward_server.transports import openai_server

pytestmark = pytest.mark.engine

__all__ = ["sharp_judge"]  # a fixture
FIELDS = ("fidelity", "q_lr", "q_sr")
TOLERANCE = 1e-3
TOKEN = "vllm-0123456789abcdef"
START_S = 240


@pytest.fixture(scope="module")
def vllm_server(
    nothing_left_behind: None, sharp_judge: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """vLLM's own server, the module that `vllm serve` runs (that command wants a distribution named `vllm`, which the
    CPU build is not); the address of its API."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("vllm") / "log"
    # fmt: off
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(sharp_judge),
        "--host", "127.0.0.1", "--port", str(port), "--api-key", TOKEN, "--served-model-name", "sharp",
        "--dtype", "float32", "--max-model-len", "1024", "--max-num-seqs", "16", "--enforce-eager",
        "--block-size", "32", "--limit-mm-per-prompt", '{"image": 2, "video": 0}', "--skip-mm-profiling",
    ]
    # fmt: on
    environment = os.environ | {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"openai+http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(60)


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(url, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(1)
    raise AssertionError(f"vllm serve is not ready after {START_S} s: {log.read_text()[-3000:]}")


@pytest.fixture
def config(vllm_server: str, tmp_path: Path) -> RewardClientConfig:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    return RewardClientConfig(endpoint=vllm_server, token_file=token, attempts=1, patience_s=1, deadline_s=60)


@pytest.fixture
def judge(sharp_judge: Path) -> JudgeConfig:
    return judge_config(sharp_judge)


@pytest.mark.parametrize("side", [64, 96])
def test_scores_equal_the_forward_pass(
    config: RewardClientConfig, judge: JudgeConfig, sharp_judge: Path, side: int
) -> None:
    lr, candidates = group(side, 4, side)
    reference = Judge.load(sharp_judge, dtype=torch.float32).score(lr, candidates)

    async def run() -> None:
        async with CompassClient(config, judge) as compass:
            small = photo(4, 24)
            answer = await compass.score("parity", lr, [*candidates, small])
            *outcomes, failed = answer.outcomes
            assert isinstance(failed, Failed) and failed.reason is FailureReason.BAD_IMAGE
            served = [outcome.readings for outcome in outcomes if isinstance(outcome, Judged)]
            ours = np.array([[one[name] for name in FIELDS] for one in served])
            theirs = np.array([[getattr(reading, name) for name in FIELDS] for reading in reference])
            np.testing.assert_allclose(ours, theirs, atol=TOLERANCE, rtol=0)
            masses = [reading.confidence.share for reading in reference]
            np.testing.assert_allclose([one["confidence"] for one in served], masses, atol=TOLERANCE, rtol=0)
            assert np.ptp(theirs[:, [0, 2]], axis=0).min() > 10 * TOLERANCE
            assert answer.provenance is not None
            assert answer.provenance.judge_digest is None
            assert answer.provenance.replica.startswith("sharp at http://")

    asyncio.run(run())


def test_a_wrong_token_is_refused(config: RewardClientConfig, judge: JudgeConfig) -> None:
    lr, candidates = group(1, 2)

    async def run() -> None:
        async with CompassClient(config.model_copy(update={"token_file": None}), judge) as compass:
            with pytest.raises(Unauthenticated):
                await compass.score("no-token", lr, candidates)

    asyncio.run(run())


def test_a_prompt_that_the_model_does_not_take_fails_alone(config: RewardClientConfig, judge: JudgeConfig) -> None:
    lr, wide = photo(1, 512), judge.model_copy(update={"max_pixels": 512 * 512})

    async def run() -> None:
        async with CompassClient(config, wide) as compass:
            [outcome] = (await compass.score("long", lr, [photo(2, 512)])).outcomes
            assert isinstance(outcome, Failed) and outcome.reason is FailureReason.ENGINE_ERROR

    asyncio.run(run())


def test_a_template_that_asks_in_other_words_is_refused(
    config: RewardClientConfig, judge: JudgeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    lr, candidates = group(1, 1)
    # What a template may do to a message.
    monkeypatch.setattr(openai_server, "message_parts", lambda question: message_parts(question)[:-1])

    async def run() -> None:
        async with CompassClient(config, judge) as compass:
            with pytest.raises(BadRequest, match=r"was asked .* in place of .*vllm serve --chat-template"):
                await compass.score("template", lr, candidates)

    asyncio.run(run())
