"""The learner across the deaths of its ranks: the conductor calls it as if it never died.

When a rank is lost, new ranks load the newest checkpoint that is whole and repeat, bit for bit, what was done since:
cold-start steps from the inputs that their numbers name, RL steps with the very batches that the ledger leased to them,
whose samples are on disk. A group whose sample is damaged leaves its step, dropped. Then the call that failed is made
again. Invariants: one call at a time; a repeated step is no new step, so the version that workers know never falls and
no group is trained twice.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from learner.checkpoint import DamagedCheckpoint
from learner.errors import NonFiniteGradient
from learner.ranks import LearnerLost
from learner.report import StepReport
from oars.alignment.messages import PolicySnapshot, TrainingGroup
from oars.config import RunConfig
from oars.imaging.crops import Pair
from services.control.batches import restored, training_groups
from services.control.observer import RunObserver
from services.control.protocols import SampleStore
from services.run.checkpoints import Checkpoints, Phase
from services.run.ledger import Ledger, TrainedBatch
from services.run.watchdog import Watchdog

# A gradient that is not finite twice, the second time on new ranks, is not a passing fault of a device.
_TRIES = 2
# More cold-start steps than this in a row, and it is not the data.
_LEFT_OUT_IN_A_ROW = 8

T = TypeVar("T")
Pairs = Callable[[int], Awaitable[list[Pair]]]
"""The batch of a cold-start step, counted from 0."""


class Ranks(Protocol):
    """A LearnerGroup. Every method raises LearnerLost once a rank has died."""

    async def cold_start_step(self, pairs: list[Pair]) -> StepReport: ...
    async def save_sft(self, path: Path) -> None: ...
    async def begin_rl(self) -> None: ...
    async def train(self, groups: Sequence[TrainingGroup], version: int) -> StepReport: ...
    async def publish(self, version: int) -> PolicySnapshot: ...
    async def snapshot(self, version: int) -> PolicySnapshot: ...
    async def save(self, path: Path, meta: dict[str, Any]) -> None: ...
    async def load(self, path: Path) -> dict[str, Any]: ...
    async def ping(self) -> list[int]: ...
    def stop(self) -> None: ...


@dataclass
class _LeftOut:
    """Cold-start steps of this driver that gave no finite gradient."""

    steps: set[int] = field(default_factory=set)
    in_a_row: int = 0


class ResilientLearner:
    """Satisfies `services.control.protocols.Learner` inside `running`."""

    def __init__(
        self,
        config: RunConfig,
        ledger: Ledger,
        observer: RunObserver,
        watchdog: Watchdog,
        checkpoints: Checkpoints,
        samples: SampleStore,
        now: Callable[[], float],
        start: Callable[[], Awaitable[Ranks]],
    ) -> None:
        """`start` brings up new ranks."""
        self._config, self._ledger, self._observer, self._watchdog = config, ledger, observer, watchdog
        self._checkpoints, self._samples, self._now, self._start = checkpoints, samples, now, start
        self._ranks: Ranks | None = None
        self._enter: Callable[[Ranks], Awaitable[None]] | None = None
        self._pairs: Pairs | None = None
        self._cold_steps = self._safe_steps = self._losses = 0
        self._left_out = _LeftOut()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ResilientLearner"]:
        """Inside, the ranks are up or on their way back, and watched; afterwards they are gone."""
        try:
            async with asyncio.TaskGroup() as tasks:
                heartbeat = tasks.create_task(self._watch())
                yield self
                heartbeat.cancel()
        finally:
            if self._ranks:
                self._ranks.stop()

    async def begin_cold_start(self, pairs: Pairs) -> int:
        """Go on from the newest checkpoint; returns the steps that are done."""
        self._pairs, self._enter = pairs, self._enter_cold_start
        async with self._turn:
            await self._present()
        return self._cold_steps

    async def cold_start_step(self, pairs: list[Pair]) -> StepReport | None:
        """None if the step was left out, because its gradient is not finite on new ranks, too.

        Raises NonFiniteGradient after several such steps in a row.
        """
        report = None
        try:
            report = await self._call("a cold-start step", lambda ranks: ranks.cold_start_step(pairs))
            self._left_out.in_a_row = 0
        except NonFiniteGradient:
            self._left_out.in_a_row += 1
            self._left_out.steps.add(self._cold_steps)
            if self._left_out.in_a_row > _LEFT_OUT_IN_A_ROW:
                raise
        self._cold_steps += 1
        return report

    async def save_sft(self, path: Path) -> None:
        await self._call("the SFT weights", lambda ranks: ranks.save_sft(path))

    async def begin_rl(self) -> int:
        """Leave the cold start, and go on from the newest checkpoint and the ledger; returns the checkpoint's step.

        The cold start's processes end: what an engine held is given back by nothing less.
        """
        async with self._turn:
            if self._ranks:
                self._ranks.stop()
            self._ranks, self._enter = None, self._enter_rl
            await self._present()
        return self._safe_steps

    async def train(self, groups: Sequence[TrainingGroup], version: int) -> StepReport:
        """One step on the samples in the object store, or, for new ranks, on those on disk.

        Raises NonFiniteGradient if the batch gives one on new ranks, too, and BadSample; the next call finds ranks
        without it.
        """
        first = self._ranks

        async def work(ranks: Ranks) -> StepReport:
            return await ranks.train(groups if ranks is first else await self._from_disk(groups), version)

        report = await self._call("its optimiser step", work)
        self._losses = 0
        return report

    async def publish(self, version: int) -> PolicySnapshot:
        return await self._call(f"version {version}", lambda ranks: ranks.publish(version))

    async def snapshot(self, version: int) -> PolicySnapshot:
        """The evaluation average (`ema`)."""
        return await self._call("the evaluation average", lambda ranks: ranks.snapshot(version))

    async def save(self, path: Path, meta: dict[str, Any]) -> None:
        await self._call("a checkpoint", lambda ranks: ranks.save(path, meta))

    # Losses

    async def _call(self, what: str, work: Callable[[Ranks], Awaitable[T]]) -> T:
        """The answer of whichever ranks live to give it."""
        deadline, tries = self._config.control.step_deadline_s, _TRIES
        async with self._turn:
            while True:
                ranks = await self._present()
                try:
                    return await self._watchdog.wait("learner", what, work(ranks), deadline)
                except LearnerLost as error:
                    self._lost(error)
                except NonFiniteGradient as error:
                    # These ranks have ended, and what the step left in their weights with them.
                    self._ranks, tries = None, tries - 1
                    self._observer.non_finite(what, str(error), tries)
                    if tries == 0:
                        raise

    async def _present(self) -> Ranks:
        """The ranks, in the state that the ledger says; new ones if there are none."""
        began, deadline = self._now(), 2 * self._config.control.start_deadline_s
        while self._ranks is None:
            try:
                self._ranks = ranks = await self._watchdog.wait("conductor", "the learner", self._start(), deadline)
                if self._enter:
                    await self._enter(ranks)
            except LearnerLost as error:
                self._lost(error)
            else:
                self._observer.learner_up(self._now() - began)
        return self._ranks

    def _lost(self, error: LearnerLost) -> None:
        """Raises the error once too many ranks were lost without a step in between."""
        self._ranks = None
        self._losses += 1
        self._observer.learner_lost(str(error), self._losses)
        if self._losses > self._config.control.learner_restarts:
            raise error

    async def _watch(self) -> None:
        """Notice a death between calls; a call under way notices by itself."""
        control = self._config.control
        while True:
            await asyncio.sleep(control.heartbeat_s)
            if self._turn.locked():
                continue
            async with self._turn:
                if self._ranks and (error := await _silence(self._ranks, control.step_deadline_s)):
                    self._lost(error)
                    await self._present()

    # The way back

    async def _enter_cold_start(self, ranks: Ranks) -> None:
        done = await self._load_newest(ranks, "cold_start") or 0
        assert self._pairs is not None
        for step in sorted(set(range(done, self._cold_steps)) - self._left_out.steps):
            await self._repeat(f"cold-start step {step + 1} again", ranks.cold_start_step(await self._pairs(step)))
        self._cold_steps = max(done, self._cold_steps)

    async def _enter_rl(self, ranks: Ranks) -> None:
        step = await self._load_newest(ranks, "step")
        if step is None:
            await self._repeat("the weights for RL", ranks.begin_rl())
            await self._repeat("version 0", ranks.publish(0))
        self._safe_steps = step or 0
        for batch in self._ledger.trained_after(self._safe_steps):
            await self._repeat_step(ranks, batch)

    async def _repeat_step(self, ranks: Ranks, batch: TrainedBatch) -> None:
        """With what is left of its batch; a step of which nothing is left is a version like the one before."""
        left = await restored(batch.groups, self._samples)
        for group_id, line in left.lost.items():
            self._ledger.lost(group_id, line)
            self._observer.sample_lost(group_id, line)
        if left.groups:
            groups = training_groups(left.groups, self._config.objective.optimality)
            await self._repeat(f"step {batch.step} again", ranks.train(groups, batch.step - 1))
        snapshot = await self._repeat(f"version {batch.step} again", ranks.publish(batch.step))
        self._observer.step_repeated(batch.step, snapshot.digest, self._ledger.digest(batch.step))

    async def _load_newest(self, ranks: Ranks, phase: Phase) -> int | None:
        """Load the newest checkpoint that is whole; its step, or None without one. Damaged ones are set aside.

        Raises DamagedCheckpoint if nothing older leads to the same state.
        """
        while path := self._checkpoints.newest(phase):
            try:
                meta = await self._repeat(f"checkpoint {path.name}", ranks.load(path))
            except DamagedCheckpoint as error:
                if not self._dispensable(phase):
                    raise DamagedCheckpoint(f"{error}; there is no older checkpoint to go on from") from error
                self._observer.checkpoint_damaged(str(error), self._checkpoints.set_aside(path))
            else:
                return int(meta["step"])
        return None

    def _dispensable(self, phase: Phase) -> bool:
        """True if the state of the newest checkpoint can be had without it: from an older one, from the inputs of the
        cold start, or from the samples of all RL steps so far."""
        if phase == "cold_start" or len(self._checkpoints.steps(phase)) > 1:
            return True
        trained = self._ledger.trained_after(0)
        return all(self._samples.holds(group.group_id) for batch in trained for group in batch.groups)

    async def _repeat(self, what: str, answer: Awaitable[T]) -> T:
        return await self._watchdog.wait("learner", what, answer, self._config.control.step_deadline_s)

    async def _from_disk(self, groups: Sequence[TrainingGroup]) -> list[TrainingGroup]:
        return [replace(group, sample=await self._samples.restore(group.group_id)) for group in groups]


async def _silence(ranks: Ranks, deadline_s: float) -> LearnerLost | None:
    """None if every rank answers."""
    try:
        # Not Watchdog.wait: a sign of life is no progress.
        async with asyncio.timeout(deadline_s):
            await ranks.ping()
    except LearnerLost as error:
        return error
    except TimeoutError:
        ranks.stop()
        return LearnerLost(f"no sign of life from the learner within {deadline_s:.0f} s")
    return None
