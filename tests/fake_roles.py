"""Stand-ins, in virtual time, for the roles around the conductor: tests of its accounting need no cluster."""

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learner.report import StepReport
from oars.alignment.messages import (
    AttemptFailed,
    PolicySnapshot,
    Published,
    RolloutReceipt,
    RolloutRequest,
    Sampled,
    TrainingGroup,
)
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
            request.group_id,
            request.attempt,
            worker,
            policy.version,
            policy.digest,
            policy.tensors,
            drift={"x0_norm": 1.0, "velocity_norm": 1.0},
        )
        images = asyncio.get_running_loop().create_future()
        images.set_result(np.zeros((K, 16, 16, 3), np.uint8))
        return self.fate(request, Sampled(receipt, images, request.group_id, 0.0))


@dataclass
class Learner:
    """Remembers what it trained on."""

    rollouts: Rollouts
    batches: list[list[str]] = field(default_factory=list)
    optimality: list[tuple[float | None, ...]] = field(default_factory=list)
    saved: list[Path] = field(default_factory=list)
    sampled_while_training: list[int] = field(default_factory=list)
    on_step: Callable[[int], None] = lambda step: None

    async def begin_rl(self) -> int:
        return 0

    async def train(self, groups: Sequence[TrainingGroup], version: int) -> StepReport:
        self.batches.append([group.group_id for group in groups])
        self.optimality += [group.optimality for group in groups]
        await asyncio.sleep(0.002)
        self.sampled_while_training.append(self.rollouts.sampling)
        self.on_step(len(self.batches))
        return StepReport(len(self.batches), len(self.batches) - 1, {"total": 1.0}, 0.5, {}, 0.1)

    async def publish(self, version: int) -> PolicySnapshot:
        return PolicySnapshot(version, f"digest-{version}", {"a": torch.zeros(1)})

    async def snapshot(self, version: int) -> PolicySnapshot:
        return PolicySnapshot(version, f"average-{version}", {"a": torch.full((1,), float(version))})

    async def save(self, path: Path, meta: dict[str, Any]) -> None:
        path.mkdir(parents=True)
        self.saved.append(path)


@dataclass
class Judge:
    outcomes: Callable[[str], list[CandidateOutcome]] = lambda request: [scored(float(k)) for k in range(K)]
    counts: dict[str, int] = field(default_factory=dict)
    """How many candidates each request asked about."""

    async def score(self, request_id: str, pair: Pair, images: Any, count: int) -> Judgement:
        self.counts[request_id] = count
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

    async def keep_pictures(self, group_id: str, pair: Pair, images: Any, count: int) -> None: ...

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
