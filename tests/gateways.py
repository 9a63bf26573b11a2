"""A gateway in this process, in front of a judge whose answers are known without a model; tests import it by name."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from oars.compass.formula import READINGS
from oars.compass.outcome import Failed, Judged
from oars.config import GatewayConfig, JudgeConfig
from reward_server.gateway.gateway import Gateway
from reward_server.schema import Description, Provenance, ScoreHeader, ScoreResponse

JUDGE = JudgeConfig(min_pixels=64, max_pixels=65536, max_candidates=8)
DIGEST = "d" * 64


def brightness(pixels: Any) -> float:
    return float(np.mean(pixels)) / 255


class KnownJudge:
    """F is the candidate's brightness. `faults` are raised by the next calls, one each; `hold` delays every answer."""

    def __init__(self) -> None:
        self.faults: list[Exception] = []
        self.hold_s = 0.0
        self.inside = self.calls = self.cancelled = 0
        self.absent = False

    async def score(self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float) -> ScoreResponse:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        self.inside += 1
        try:
            await asyncio.sleep(self.hold_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.inside -= 1
        return known_answer(header, lr, candidates)

    async def describe(self) -> Description:
        if self.absent:
            await asyncio.sleep(0)
            raise TimeoutError
        return Description.of(JUDGE, DIGEST, "p", READINGS)

    async def close(self) -> None: ...


def known_answer(header: ScoreHeader, lr: Any, candidates: Any) -> ScoreResponse:
    outcomes = [lr if isinstance(lr, Failed) else _outcome(candidate) for candidate in candidates]
    return ScoreResponse(
        request_id=header.request_id,
        outcomes=outcomes,
        provenance=Provenance(
            judge_digest=DIGEST, prompt_version="p", replica="r", attempt=header.attempt, seconds=0.01
        ),
    )


def _outcome(candidate: Any) -> Judged | Failed:
    if isinstance(candidate, Failed):
        return candidate
    return Judged(readings={"fidelity": brightness(candidate), "q_lr": 2, "q_sr": 3, "confidence": 1})


@asynccontextmanager
async def opened(
    judge: KnownJudge, environment: Mapping[str, str] | None = None, **settings: Any
) -> AsyncIterator[Gateway]:
    """A gateway at free ports of this machine, ready if the judge answers."""
    config = GatewayConfig(**{"http_port": 0, "grpc_port": 0, "drain_s": 2, **settings})
    gateway = Gateway(config, judge, environment or {})
    await gateway.open()
    try:
        await asyncio.sleep(0.05)
        yield gateway
    finally:
        await gateway.close()
