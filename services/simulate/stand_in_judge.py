"""A stand-in for the served judge: a way to COMPASS (`Transport`) under the real client, in the scenario's time.

Replicas share requests by least load; each judges `at_once` groups at a time and queues the others. A replica that is
lost fails everything it had, and the client repeats it.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from oars.compass.outcome import CandidateOutcome, Failed, FailureReason, Judged, JudgeOutcome
from oars.compass.reward import Reward
from oars.config import RewardClientConfig
from oars.imaging.crops import Pair
from reward_server.client import CompassClient
from reward_server.errors import Unavailable
from reward_server.schema import Description, Provenance, ScoreHeader, ScoreResponse
from reward_server.transports.base import Transport
from services.control.protocols import Judgement
from services.simulate.scenario import Scenario
from services.simulate.stand_ins import Work

_NAME = "stand-in"


def the_reading(quality: float) -> float:
    """R of a stand-in's readings."""
    return quality


_REWARD = Reward.load(f"{__name__}.{the_reading.__name__}", {})


@dataclass
class _Replica:
    slots: asyncio.Semaphore
    requests: set[asyncio.Task[float]] = field(default_factory=set)
    up: bool = True


class Served:
    """Satisfies `reward_server.transports.base.Transport`."""

    def __init__(self, scenario: Scenario, work: Work, chance: random.Random) -> None:
        self._scenario, self._faults = scenario, scenario.faults
        self._work, self._chance = work, chance
        self._loop = asyncio.get_running_loop()
        judge = scenario.judge
        self._replicas = [_Replica(asyncio.Semaphore(judge.at_once)) for _ in range(judge.replicas)]
        if self._faults.judge_down_s > 0:
            self._loop.call_at(self._faults.judge_down_at_s, self._all_down)

    async def score(self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float) -> ScoreResponse:
        up = [replica for replica in self._replicas if replica.up]
        if not up:
            raise Unavailable("no replica")
        replica = min(up, key=lambda each: len(each.requests))
        task = self._loop.create_task(self._judge(replica))
        replica.requests.add(task)
        task.add_done_callback(replica.requests.discard)
        try:
            seconds = await task
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if this is None or this.cancelling():
                raise
            raise Unavailable("replica died") from None
        return self._answer(header, seconds)

    async def _judge(self, replica: _Replica) -> float:
        async with replica.slots:
            start, seconds = self._loop.time(), self._scenario.judge.score.draw(self._chance)
            if self._chance.random() < self._faults.replica_dies:
                self._loop.call_later(seconds * self._chance.random(), self._lose, replica)
            try:
                await asyncio.sleep(seconds)
            finally:
                self._work.done("judge", start, self._loop.time())
        return seconds

    def _answer(self, header: ScoreHeader, seconds: float) -> ScoreResponse:
        origin = Provenance(
            judge_digest=_NAME, prompt_version=None, replica=_NAME, attempt=header.attempt, seconds=seconds
        )
        return ScoreResponse(request_id=header.request_id, outcomes=self._outcomes(), provenance=origin)

    def _outcomes(self) -> list[JudgeOutcome]:
        chance, alike = self._chance, self._chance.random() < self._faults.degenerate
        qualities = [4.9 if alike else chance.gauss(3.0, 0.3) for _ in range(self._scenario.rollout.candidates)]
        return [
            Failed(reason=FailureReason.ENGINE_ERROR)
            if chance.random() < self._faults.candidate_fails
            else Judged(readings={"quality": quality})
            for quality in qualities
        ]

    def _lose(self, replica: _Replica) -> None:
        replica.up = False
        for task in list(replica.requests):
            task.cancel()
        self._loop.call_later(self._faults.replica_back_s, self._return, replica)

    def _return(self, replica: _Replica) -> None:
        replica.up = True

    def _all_down(self) -> None:
        until = self._loop.time() + self._faults.judge_down_s
        for replica in self._replicas:
            self._lose(replica)
            self._loop.call_at(until, self._return, replica)

    async def describe(self) -> Description:
        raise Unavailable("a stand-in")

    async def close(self) -> None: ...


class _Client(CompassClient):
    """The real client over the stand-in."""

    def __init__(self, config: RewardClientConfig, served: Transport, draw: Callable[[], float]) -> None:
        super().__init__(config, draw=draw, clock=asyncio.get_running_loop().time)
        self._served = served

    def _connected(self) -> Transport:
        return self._served


class Judge:
    """Satisfies `services.control.protocols.Judge`."""

    def __init__(self, scenario: Scenario, work: Work, chance: random.Random) -> None:
        self._client = _Client(scenario.reward, Served(scenario, work, chance), chance.random)
        self._count = scenario.rollout.candidates

    async def score(self, request_id: str, pair: Pair, images: Any, count: int) -> Judgement:
        answer = await self._client.score(request_id, pair.lr, images, count=self._count)
        outcomes = [_REWARD.score(outcome) for outcome in answer.outcomes]
        return Judgement(outcomes, answer.provenance.model_dump() if answer.provenance else {})

    async def score_one(self, request_id: str, pair: Pair, image: Any) -> CandidateOutcome:
        raise NotImplementedError("a rehearsal evaluates nothing")
