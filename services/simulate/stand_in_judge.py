"""A stand-in for the served judge, under the real client: what Serve's handle would do, in the scenario's time.

Replicas share requests by least load; each judges `at_once` groups at a time and queues the others. A replica that is
lost fails everything it had, as Serve does, and the client repeats it.
"""

import asyncio
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from ray.exceptions import ActorDiedError
from ray.serve.exceptions import DeploymentUnavailableError

from oars.compass.outcome import CandidateOutcome, Failed, FailureReason, Scored
from oars.imaging.crops import Pair
from reward_server.client import CompassClient
from reward_server.schema import Provenance, ScoreHeader, ScoreResponse
from services.roles import Judgement
from services.simulate.scenario import Scenario
from services.simulate.stand_ins import Work

_GAMMA = 7.0
_Q_LR = 2.5


@dataclass
class _Replica:
    slots: asyncio.Semaphore
    requests: set[asyncio.Task[ScoreResponse]] = field(default_factory=set)
    up: bool = True


class _Response:
    """Serve's DeploymentResponse."""

    def __init__(self, task: asyncio.Task[ScoreResponse]) -> None:
        self._task = task

    def __await__(self) -> Generator[Any, None, ScoreResponse]:
        return self._task.__await__()

    def cancel(self) -> None:
        self._task.cancel()


class Served:
    """The application's handle; `handle.score.remote(...)` as Serve has it."""

    def __init__(self, scenario: Scenario, work: Work, chance: random.Random) -> None:
        self._scenario, self._faults = scenario, scenario.faults
        self._work, self._chance = work, chance
        self._loop = asyncio.get_running_loop()
        judge = scenario.judge
        self._replicas = [_Replica(asyncio.Semaphore(judge.at_once)) for _ in range(judge.replicas)]
        if self._faults.judge_down_s > 0:
            self._loop.call_at(self._faults.judge_down_at_s, self._all_down)

    @property
    def score(self) -> "Served":
        return self

    def remote(self, header: ScoreHeader, lr: Any, candidates: Any) -> _Response:
        up = [replica for replica in self._replicas if replica.up]
        if not up:
            raise DeploymentUnavailableError("compass")
        replica = min(up, key=lambda each: len(each.requests))
        task = self._loop.create_task(self._judge(header, replica))
        replica.requests.add(task)
        task.add_done_callback(replica.requests.discard)
        return _Response(task)

    async def _judge(self, header: ScoreHeader, replica: _Replica) -> ScoreResponse:
        try:
            async with replica.slots:
                start, seconds = self._loop.time(), self._scenario.judge.score.draw(self._chance)
                if self._chance.random() < self._faults.replica_dies:
                    self._loop.call_later(seconds * self._chance.random(), self._lose, replica)
                try:
                    await asyncio.sleep(seconds)
                finally:
                    self._work.done("judge", start, self._loop.time())
        except asyncio.CancelledError:
            if not replica.up:
                raise ActorDiedError from None
            raise
        provenance = Provenance(
            judge_digest="stand-in",
            prompt_version="stand-in",
            gamma=_GAMMA,
            replica="0",
            attempt=header.attempt,
            seconds=seconds,
        )
        outcomes = self._outcomes()
        return ScoreResponse(
            request_id=header.request_id,
            outcomes=outcomes,
            judged_fidelity=[None] * len(outcomes),
            provenance=provenance,
        )

    def _outcomes(self) -> list[CandidateOutcome]:
        chance, alike = self._chance, self._chance.random() < self._faults.degenerate
        rewards = [4.9 if alike else chance.gauss(3.0, 0.3) for _ in range(self._scenario.rollout.candidates)]
        return [
            Failed(reason=FailureReason.ENGINE_ERROR)
            if chance.random() < self._faults.candidate_fails
            else Scored(fidelity=0.8, q_lr=_Q_LR, q_sr=3.0, reward=reward, confidence=1.0)
            for reward in rewards
        ]

    def _lose(self, replica: _Replica) -> None:
        replica.up = False
        for task in list(replica.requests):
            task.cancel()
        self._loop.call_later(self._faults.replica_back_s, self._return, replica)

    def _return(self, replica: _Replica) -> None:
        replica.up = True

    def _all_down(self) -> None:
        for replica in self._replicas:
            self._lose(replica)
        until = self._loop.time() + self._faults.judge_down_s
        for replica in self._replicas:
            self._loop.call_at(until, self._return, replica)


class _Client(CompassClient):
    """The real client on the stand-in's handle."""

    def __init__(self, scenario: Scenario, served: Served, chance: random.Random) -> None:
        super().__init__(scenario.reward, chance.random, asyncio.get_running_loop().time)
        self._served = served

    async def _connect(self) -> Served:
        return self._served


class Judge:
    """Satisfies `services.roles.Judge`."""

    def __init__(self, scenario: Scenario, work: Work, chance: random.Random) -> None:
        self._client = _Client(scenario, Served(scenario, work, chance), chance)
        self._count = scenario.rollout.candidates

    async def score(self, request_id: str, pair: Pair, images: Any) -> Judgement:
        answer = await self._client.score(request_id, pair.lr, images, count=self._count)
        return Judgement(list(answer.outcomes), answer.provenance.model_dump() if answer.provenance else {})

    async def score_one(self, request_id: str, pair: Pair, image: Any) -> CandidateOutcome:
        raise NotImplementedError("a rehearsal evaluates nothing")
