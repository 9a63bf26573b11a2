"""COMPASS as a Ray Serve application of its own: it outlives the jobs that call it and is removed on purpose.

Called by handle, with arrays or object references; it answers with readings, and knows no reward. A replica is ready
when its judge is loaded, has judged its warm-up groups, and has passed the self-test that its checkpoint brings. A
replica whose engine process has died fails its health check and is replaced by Serve. Callers outside the cluster come
through reward_server/gateway.
"""

import asyncio
import itertools
import os
import time
from typing import Any, Protocol

from ray import serve
from ray.serve import Application

from oars.compass.calibrated import Scale
from oars.compass.outcome import Failed, Judged
from oars.config import JudgeConfig
from reward_server.checkpoint import judge_digest, judge_directory, judge_scale
from reward_server.class_judge import ClassJudge
from reward_server.compat.ray import VERSIONED
from reward_server.engine import JudgeEngine
from reward_server.errors import EngineDied
from reward_server.metrics import ReplicaMetrics
from reward_server.pictures import Candidate, Pixels
from reward_server.schema import Description, Provenance, ScoreHeader, ScoreResponse, check_count
from reward_server.self_test import warm_up
from reward_server.statistics import EngineStatistics, ReplicaReport

DEPLOYMENT = "Compass"
_LAST_WORDS_S = 0.2  # for answers that are on their way out


class ReplicaJudge(Protocol):
    """The judge inside a replica: the Qwen3-VL on vLLM (engine.py), or a class of one's own (class_judge.py)."""

    digest: str
    prompt_version: str | None
    readings: tuple[str, ...]
    scale: Scale
    statistics: EngineStatistics

    async def score(self, request_id: str, lr: Candidate, candidates: list[Candidate]) -> list[Judged | Failed]:
        """One outcome a candidate, in their order. Raises EngineDied. Cancelling the caller cancels the work."""

    async def self_test(self) -> None:
        """Raises BadJudge."""

    async def check(self) -> None:
        """Raises EngineDied."""

    def shutdown(self) -> None: ...


def judge_of(config: JudgeConfig, metrics: ReplicaMetrics) -> ReplicaJudge:
    """Raises BadJudge."""
    if config.class_path is not None:
        return ClassJudge(config)
    directory = judge_directory(config.path)
    digest = judge_digest(directory)
    return JudgeEngine(directory, config, digest, judge_scale(config, directory, digest), metrics)


# A judge that does not come up does so for a reason that persists (missing files, too little memory).
@serve.deployment(name=DEPLOYMENT, max_constructor_retry_count=2)
class Compass:
    async def __init__(self, config: JudgeConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        self._config = config
        self._replica = serve.get_replica_context().replica_id.unique_id
        self._metrics = ReplicaMetrics()
        self._serial = itertools.count()
        self._leaving = False
        self._judge = judge_of(config, self._metrics)
        await warm_up(self._judge.score, config.warmup)
        await self._judge.self_test()

    async def score(self, header: ScoreHeader, lr: Candidate, candidates: Pixels | list[Candidate]) -> ScoreResponse:
        """Outcomes of K candidates of one LR; uint8 [h, w, 3] and [K, H, W, 3], or a list of [H, W, 3].

        Raises BadRequest; EngineDied, after which the caller may try again. Cancelling the call aborts its prompts.
        """
        started = time.perf_counter()
        slots = list(candidates)
        check_count(len(slots), self._config.max_candidates)
        # Two callers may have chosen one id, and vLLM refuses a name that is in use.
        name = f"{header.request_id}/{header.attempt}/{next(self._serial)}"
        try:
            outcomes = await self._judge.score(name, lr, slots)
        except EngineDied:
            self._leave()
            raise
        seconds = time.perf_counter() - started
        self._metrics.group(outcomes, seconds)
        provenance = Provenance(
            judge_digest=self._judge.digest,
            prompt_version=self._judge.prompt_version,
            basis=self._judge.scale.basis,
            calibration_digest=self._judge.scale.digest,
            replica=self._replica,
            attempt=header.attempt,
            seconds=seconds,
        )
        return ScoreResponse(request_id=header.request_id, outcomes=outcomes, provenance=provenance)

    async def describe(self) -> Description:
        """Describe this COMPASS: judge, readings, limits. Raises EngineDied."""
        judge = self._judge
        await judge.check()
        return Description.of(self._config, judge.digest, judge.prompt_version, judge.readings, judge.scale.basis)

    async def report(self) -> ReplicaReport:
        """Statistics of this replica; `handle.broadcast` asks all of them."""
        return ReplicaReport(self._replica, os.getpid(), self._config, self._judge.digest, self._judge.statistics)

    async def check_health(self) -> None:
        await self._judge.check()

    def _leave(self) -> None:
        """End this process, after its callers have heard why. A replica that fails at once is always the least busy,
        so until a health check found it, the router would send it everything, however many healthy ones there are."""
        if not self._leaving:
            self._leaving = True
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, os._exit, 1)

    def __del__(self) -> None:
        """Serve's hook for an orderly end: without it the engine process would outlive a stopped replica."""
        if judge := getattr(self, "_judge", None):
            judge.shutdown()


def application(judge: JudgeConfig, version: str | None = None, **options: Any) -> Application:
    """COMPASS with this judge; `options` are those of a Serve deployment, as in deploy/serve/compass.yaml.

    Deployed again under the same `version`, replicas stay; without one they always start anew.
    """
    actor = {
        "num_cpus": judge.resources.num_cpus,
        "num_gpus": judge.resources.num_gpus,
        "label_selector": judge.resources.label_selector,
    }
    if judge.placement_group_bundles:
        options["placement_group_bundles"] = list(judge.placement_group_bundles)
        options["placement_group_strategy"] = judge.placement_group_strategy
    compass: Any = Compass  # what the decorator makes of the class
    if version is not None:
        options |= {"version": version, **VERSIONED}
    return compass.options(ray_actor_options=actor, **options).bind(judge)


def app(args: JudgeConfig) -> Application:
    """Builder that `import_path: reward_server.app:app` names; `args` are the fields of JudgeConfig."""
    return application(args)
