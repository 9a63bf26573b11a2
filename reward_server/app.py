"""COMPASS as a Ray Serve application of its own: it outlives the jobs that call it and is removed on purpose.

Called by handle, with arrays or object references. A replica is ready when its judge is loaded, has scored its warm-up
groups, and has passed the self-test that its checkpoint brings. A replica whose engine process has died fails its
health check and is replaced by Serve. Callers outside the cluster come through reward_server/gateway.
"""

import asyncio
import itertools
import os
import time
from typing import Any

from ray import serve
from ray.serve import Application

from oars.compass.prompt import PROMPT_VERSION
from oars.config import JudgeConfig
from reward_server.checkpoint import judge_digest, judge_directory
from reward_server.engine import JudgeEngine
from reward_server.errors import EngineDied
from reward_server.metrics import ReplicaMetrics
from reward_server.pictures import Candidate, Pixels
from reward_server.schema import Description, Provenance, ScoreHeader, ScoreResponse, Unexplained, check_counts
from reward_server.self_test import check_known_transitions
from reward_server.statistics import ReplicaReport

DEPLOYMENT = "Compass"
_LAST_WORDS_S = 0.2  # for answers that are on their way out


# A judge that does not come up does so for a reason that persists (missing files, too little memory).
@serve.deployment(name=DEPLOYMENT, max_constructor_retry_count=2)
class Compass:
    async def __init__(self, config: JudgeConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        directory = judge_directory(config.path)
        self._config = config
        self._digest = judge_digest(directory)
        self._replica = serve.get_replica_context().replica_id.unique_id
        self._metrics = ReplicaMetrics()
        self._serial = itertools.count()
        self._leaving = False
        self._engine = JudgeEngine(directory, config, self._digest, self._metrics)
        await self._engine.warm_up()
        await check_known_transitions(self._engine, directory)

    async def score(self, header: ScoreHeader, lr: Candidate, candidates: Pixels | list[Candidate]) -> ScoreResponse:
        """Outcomes of K candidates of one LR; uint8 [h, w, 3] and [K, H, W, 3], or a list of [H, W, 3].

        Raises BadRequest; EngineDied, after which the caller may try again. Cancelling the call aborts its prompts.
        """
        started = time.perf_counter()
        slots = list(candidates)
        check_counts(header, len(slots), self._config.max_candidates)
        gamma = self._config.reward.gamma if header.gamma is None else header.gamma
        # Two callers may have chosen one id, and vLLM refuses a name that is in use.
        name = f"{header.request_id}/{header.attempt}/{next(self._serial)}"
        try:
            results = await self._engine.score(name, lr, slots, header.fidelity, gamma)
        except EngineDied:
            self._leave()
            raise
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
            explanations=[Unexplained()] * len(slots) if header.explain else None,
        )

    async def describe(self) -> Description:
        """Describe this COMPASS: judge, limits. Raises EngineDied."""
        await self._engine.check()
        return Description.of(self._config, self._digest)

    async def report(self) -> ReplicaReport:
        """Statistics of this replica; `handle.broadcast` asks all of them."""
        return ReplicaReport(self._replica, os.getpid(), self._config, self._digest, self._engine.statistics)

    async def check_health(self) -> None:
        await self._engine.check()

    def _leave(self) -> None:
        """End this process, after its callers have heard why. A replica that fails at once is always the least busy,
        so until a health check found it, the router would send it everything, however many healthy ones there are."""
        if not self._leaving:
            self._leaving = True
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, os._exit, 1)

    def __del__(self) -> None:
        """Serve's hook for an orderly end: without it the engine process would outlive a stopped replica."""
        if engine := getattr(self, "_engine", None):
            engine.shutdown()


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
        # Serve offers no public name for it, and draws one for each deployment that has none.
        options |= {"version": version, "_internal": True}
    return compass.options(ray_actor_options=actor, **options).bind(judge)


def app(args: JudgeConfig) -> Application:
    """Builder that `import_path: reward_server.app:app` names; `args` are the fields of JudgeConfig."""
    return application(args)
