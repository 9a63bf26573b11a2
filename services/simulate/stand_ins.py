"""Stand-ins for workers, judge, learner ranks, samples and inputs: they take the time that the scenario says, and fail
as often as it says. Everything around them is the real thing: conductor, ledger, admission, retries of both kinds,
breaker, and the learner's way back after a loss.
"""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learner.ranks import LearnerLost
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
from oars.alignment.stage import Stage
from oars.imaging.crops import Pair
from oars.seeds import derive_seed
from services.control.source import AdmittedGroup
from services.simulate.scenario import Scenario

# Nobody looks at them, but they are shown and resized.
_PICTURE = np.zeros((2, 2, 3), np.uint8)


@dataclass
class Work:
    """Busy intervals of each role: (start, end) of every piece of work."""

    intervals: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def done(self, role: str, start: float, end: float) -> None:
        self.intervals[role].append((start, end))

    def busy(self, role: str, since: float, until: float) -> float:
        """Seconds of work inside a window, over all servers of the role."""
        return sum(max(0.0, min(end, until) - max(start, since)) for start, end in self.intervals[role])


class Ready:
    """An ObjectRef whose value is here."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[None, None, Any]:
        yield
        return self._value


class Inputs:
    """Endless different pictures."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    async def group(self, stage: Stage, index: int, ordinal: int) -> AdmittedGroup:
        seed = derive_seed(self._seed, stage.name, index)
        return AdmittedGroup(f"{seed:016x}", ordinal, stage, Pair(f"{stage.name}-{index}", _PICTURE, None), seed)


class Samples:
    """Kept in memory, so a resumed learner finds its samples at once."""

    def __init__(self, scenario: Scenario, work: Work, chance: random.Random) -> None:
        self._write, self._work, self._chance = scenario.rollout.write, work, chance
        self._loop = asyncio.get_running_loop()

    async def keep(self, group_id: str, sample: Any) -> AttemptFailed | None:
        start = self._loop.time()
        await asyncio.sleep(self._write.draw(self._chance))
        self._work.done("disk", start, self._loop.time())
        return None

    async def restore(self, group_id: str) -> Any:
        return Ready(None)

    async def keep_pictures(self, group_id: str, pair: Pair, images: Any, count: int) -> None: ...

    async def preview(self, lr: NDArray[np.uint8], images: Any) -> NDArray[np.uint8]:
        return lr

    def holds(self, group_id: str) -> bool:
        return True

    def forget(self, group_ids: Collection[str]) -> None: ...
    def forget_all_but(self, group_ids: Collection[str]) -> None: ...


@dataclass
class _Worker:
    name: str
    holds: int | None = None


class Workers:
    """A pool of rollout workers, with the pool's own rules: a version is installed before the next group, and a worker
    that was lost comes back empty."""

    def __init__(self, scenario: Scenario, work: Work, chance: random.Random) -> None:
        self._config, self._faults = scenario.rollout, scenario.faults
        self._work, self._chance = work, chance
        self._loop = asyncio.get_running_loop()
        self._free: asyncio.Queue[_Worker] = asyncio.Queue()
        self._published: Published | None = None
        for i in range(self.workers):
            self._free.put_nowait(_Worker(f"rollout-{i}"))

    @property
    def workers(self) -> int:
        return self._config.workers

    def publish(self, policy: Published) -> None:
        self._published = policy

    async def sample(self, request: RolloutRequest, deadline_s: float) -> Sampled | AttemptFailed:
        asked = self._loop.time()
        worker = await self._free.get()
        start, policy = self._loop.time(), self._published
        assert policy is not None
        fate, seconds = self._chance.random(), self._config.sample.draw(self._chance)
        if worker.holds != policy.version:
            seconds += self._config.install.draw(self._chance)
        dies, hangs = fate < self._faults.worker_dies, fate > 1 - self._faults.worker_hangs
        seconds *= self._chance.random() if dies else 1.0
        late = hangs or seconds > deadline_s
        await asyncio.sleep(min(seconds, deadline_s) if not hangs else deadline_s)
        self._work.done("rollout", start, self._loop.time())
        if dies or late:
            worker.holds = None
            self._loop.call_later(self._faults.worker_back_s, self._free.put_nowait, worker)
            return AttemptFailed("no candidates in time" if late else "worker died", timed_out=late)
        worker.holds = policy.version
        self._free.put_nowait(worker)
        taken = {"denoise": self._loop.time() - start}
        receipt = RolloutReceipt(
            request.group_id, request.attempt, worker.name, policy.version, policy.digest, policy.tensors, taken
        )
        return Sampled(receipt, Ready(np.broadcast_to(_PICTURE, (1, *_PICTURE.shape))), Ready(None), start - asked)


@dataclass
class Ranks:
    """The learner's ranks, for `ResilientLearner`; their state is their version."""

    scenario: Scenario
    work: Work
    chance: random.Random
    finished: dict[int, float]
    """Time at which each version's step last ended."""
    version: int = -1
    alive: bool = True

    async def _work(self, what: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        start, dies = loop.time(), what == "step" and self.chance.random() < self.scenario.faults.learner_dies
        await asyncio.sleep(seconds * (self.chance.random() if dies else 1.0))
        self.work.done("learner", start, loop.time())
        if dies:
            self.alive = False
        self._check()

    def _check(self) -> None:
        if not self.alive:
            raise LearnerLost("a learner rank died")

    async def begin_rl(self) -> None:
        self.version = -1

    async def train(self, groups: Sequence[TrainingGroup], version: int) -> StepReport:
        self._check()
        seconds = self.scenario.learner.step.draw(self.chance)
        await self._work("step", seconds)
        self.finished[version + 1] = asyncio.get_running_loop().time()
        return StepReport(version + 1, version, {"total": 0.0}, 0.0, {}, seconds)

    async def publish(self, version: int) -> PolicySnapshot:
        self._check()
        await self._work("publish", self.scenario.learner.publish.draw(self.chance))
        self.version = version
        return PolicySnapshot(version, f"{version:016x}", {"adapter": torch.zeros(1)})

    async def save(self, path: Path, meta: dict[str, Any]) -> None:
        self._check()
        await self._work("save", self.scenario.learner.save.draw(self.chance))
        path.mkdir(parents=True)
        (path / "meta.json").write_text(json.dumps(meta))

    async def load(self, path: Path) -> dict[str, Any]:
        self._check()
        meta: dict[str, Any] = json.loads((path / "meta.json").read_text())
        self.version = meta["version"]
        return meta

    async def ping(self) -> list[int]:
        self._check()
        return [0]

    def stop(self) -> None:
        self.alive = False

    async def cold_start_step(self, pairs: list[Pair]) -> StepReport:
        raise NotImplementedError("a rehearsal begins with RL")

    async def save_sft(self, path: Path) -> None:
        raise NotImplementedError("a rehearsal begins with RL")

    async def snapshot(self, version: int) -> PolicySnapshot:
        raise NotImplementedError("a rehearsal ends with RL")
