"""Stand-ins, in virtual time, for the roles around the conductor: tests of its accounting need no cluster."""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from oars.alignment.messages import AttemptFailed, Published, RolloutReceipt, RolloutRequest, Sampled
from oars.compass.outcome import CandidateOutcome, Scored
from oars.imaging.crops import Pair
from services.control.protocols import BadSample, Judgement
from services.control.source import AdmittedGroup

K = 4
PIXELS = np.zeros((4, 4, 3), np.uint8)


def scored(reward: float) -> Scored:
    return Scored(readings={"fidelity": 0.5, "q_lr": 2.0, "q_sr": 3.0, "confidence": 1.0}, reward=reward)


class Source:
    async def group(self, stage: Any, index: int, ordinal: int) -> AdmittedGroup:
        return AdmittedGroup(f"group-{ordinal}", ordinal, stage, Pair(f"image-{index}", PIXELS, None), seed=ordinal)


@dataclass
class Rollouts:
    """Samples at once, or after a random pause; `fate` may replace what comes back."""

    chance: random.Random
    pause_s: float = 0.0
    fate: Callable[[RolloutRequest, Sampled], Sampled | AttemptFailed] = lambda request, sampled: sampled
    workers: int = 2
    published: Published | None = None
    sampling: int = 0

    def __post_init__(self) -> None:
        self._free: asyncio.Queue[str] = asyncio.Queue()
        for number in range(self.workers):
            self._free.put_nowait(f"rollout-{number}")

    def publish(self, policy: Published) -> None:
        self.published = policy

    async def sample(self, request: RolloutRequest, deadline_s: float) -> Sampled | AttemptFailed:
        worker = await self._free.get()
        policy = self.published
        assert policy is not None
        self.sampling += 1
        await asyncio.sleep(self.chance.random() * self.pause_s)
        self.sampling -= 1
        self._free.put_nowait(worker)
        receipt = RolloutReceipt(
            request.group_id, request.attempt, worker, policy.version, policy.digest, policy.tensors
        )
        images = asyncio.get_running_loop().create_future()
        images.set_result(np.zeros((K, 16, 16, 3), np.uint8))
        return self.fate(request, Sampled(receipt, images, request.group_id, 0.0))


@dataclass
class Judge:
    outcomes: Callable[[str], list[CandidateOutcome]] = lambda request: [scored(float(k)) for k in range(K)]

    async def score(self, request_id: str, pair: Pair, images: Any) -> Judgement:
        return Judgement(
            self.outcomes(request_id), {"judge_digest": "abc", "replica": "r", "reward_digest": "def", "attempt": 0}
        )

    async def score_one(self, request_id: str, pair: Pair, image: Any) -> CandidateOutcome:
        raise NotImplementedError


class Samples:
    """On no disk."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def keep(self, group_id: str, sample: Any) -> AttemptFailed | None:
        self.kept[group_id] = sample
        return None

    async def preview(self, lr: Any, images: Any) -> Any:
        return None

    async def restore(self, group_id: str) -> Any:
        if group_id not in self.kept:
            raise BadSample(f"{group_id}: the sample of a finished group cannot be read")
        return self.kept[group_id]

    def holds(self, group_id: str) -> bool:
        return group_id in self.kept

    def forget(self, group_ids: Collection[str]) -> None:
        for group_id in group_ids:
            self.kept.pop(group_id, None)

    def forget_all_but(self, group_ids: Collection[str]) -> None:
        self.forget([group_id for group_id in self.kept if group_id not in group_ids])


def virtual_now() -> float:
    """The clock of a run in virtual time; 0 before its loop runs."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


class Silent:
    def update(self, line: object) -> None: ...
