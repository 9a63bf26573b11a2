"""COMPASS as a Ray Serve application of its own: it outlives the jobs that call it and is removed on purpose.

A replica is ready when its judge is loaded and has scored its warm-up groups. Inside the cluster `score` is called by
handle with arrays or object references; `POST /v1/score` is the door for everybody else. A replica whose engine process
has died fails its health check and is replaced by Serve.
"""

import asyncio
import os
import time
from typing import Any

from fastapi import FastAPI, HTTPException
from ray import serve
from ray.serve import Application

from oars.compass.prompt import PROMPT_VERSION
from oars.config import JudgeConfig
from reward_server.checkpoint import judge_digest, judge_directory
from reward_server.engine import JudgeEngine
from reward_server.errors import BadRequest, EngineDied
from reward_server.metrics import ReplicaMetrics
from reward_server.pictures import Candidate, Pixels, decode
from reward_server.schema import HttpScoreRequest, Provenance, Readiness, ScoreHeader, ScoreResponse
from reward_server.statistics import ReplicaReport

DEPLOYMENT = "Compass"
http = FastAPI(title="COMPASS", docs_url=None, redoc_url=None)


# A judge that does not come up does so for a reason that persists (missing files, too little memory).
@serve.deployment(name=DEPLOYMENT, max_constructor_retry_count=2)
@serve.ingress(http)
class Compass:
    async def __init__(self, config: JudgeConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        directory = judge_directory(config.path)
        self._config = config
        self._digest = judge_digest(directory)
        self._replica = serve.get_replica_context().replica_id.unique_id
        self._metrics = ReplicaMetrics()
        self._engine = JudgeEngine(directory, config, self._digest, self._metrics)
        await self._engine.warm_up()

    async def score(self, header: ScoreHeader, lr: Pixels, candidates: Pixels | list[Candidate]) -> ScoreResponse:
        """Outcomes of K candidates of one LR; uint8 [h, w, 3] and [K, H, W, 3], or a list of [H, W, 3].

        Raises BadRequest; EngineDied, after which the caller may try again.
        """
        return await self._answer(header, lr, list(candidates))

    async def report(self) -> ReplicaReport:
        """Of this replica; `handle.broadcast` asks all of them."""
        return ReplicaReport(self._replica, os.getpid(), self._config, self._digest, self._engine.statistics)

    async def check_health(self) -> None:
        await self._engine.check()

    @http.post("/v1/score")
    async def http_score(self, request: HttpScoreRequest) -> ScoreResponse:
        lr, *candidates = await asyncio.to_thread(self._decode, request)
        try:
            return await self._answer(request, lr, candidates)
        except BadRequest as error:
            raise HTTPException(422, str(error)) from error
        except EngineDied as error:
            raise HTTPException(503, str(error)) from error

    @http.get("/healthz")
    async def http_healthz(self) -> dict[str, str]:
        """The replica's event loop turns."""
        return {"status": "ok"}

    @http.get("/readyz")
    async def http_readyz(self) -> Readiness:
        """The judge is loaded, warm and alive."""
        try:
            await self._engine.check()
        except EngineDied as error:
            raise HTTPException(503, str(error)) from error
        return Readiness(judge_digest=self._digest, prompt_version=PROMPT_VERSION, max_pixels=self._config.max_pixels)

    def __del__(self) -> None:
        """Serve's hook for an orderly end: without it the engine process would outlive a stopped replica."""
        if engine := getattr(self, "_engine", None):
            engine.shutdown()

    def _decode(self, request: HttpScoreRequest) -> list[Candidate]:
        named = [("LR", request.lr), *((f"candidate {k}", sr) for k, sr in enumerate(request.candidates))]
        return [decode(encoded, name, self._config.max_pixels) for name, encoded in named]

    async def _answer(self, header: ScoreHeader, lr: Candidate, candidates: list[Candidate]) -> ScoreResponse:
        started = time.perf_counter()
        if not 1 <= len(candidates) <= self._config.max_candidates:
            raise BadRequest(f"candidates: {len(candidates)}, expected 1 to {self._config.max_candidates}")
        if header.fidelity is not None and len(header.fidelity) != len(candidates):
            raise BadRequest(f"fidelity: {len(header.fidelity)} values for {len(candidates)} candidates")
        gamma = header.gamma or self._config.reward.gamma
        name = f"{header.request_id}/{header.attempt}"
        results = await self._engine.score(name, lr, candidates, header.fidelity, gamma)
        outcomes = [result.outcome for result in results]
        seconds = time.perf_counter() - started
        self._metrics.group(outcomes, seconds)
        provenance = Provenance(
            judge_digest=self._digest,
            prompt_version=PROMPT_VERSION,
            gamma=gamma,
            replica=self._replica,
            attempt=header.attempt,
            seconds=seconds,
        )
        return ScoreResponse(
            request_id=header.request_id,
            outcomes=outcomes,
            judged_fidelity=[result.fidelity for result in results],
            provenance=provenance,
        )


def application(judge: JudgeConfig, **options: Any) -> Application:
    """COMPASS with this judge; `options` are those of a Serve deployment, as in deploy/serve/compass.yaml."""
    actor = {
        "num_cpus": judge.resources.num_cpus,
        "num_gpus": judge.resources.num_gpus,
        "label_selector": judge.resources.label_selector,
    }
    compass: Any = Compass  # what the decorator makes of the class
    return compass.options(ray_actor_options=actor, **options).bind(judge)


def app(args: JudgeConfig) -> Application:
    """Builder that `import_path: reward_server.app:app` names; `args` are the fields of JudgeConfig."""
    return application(args)
