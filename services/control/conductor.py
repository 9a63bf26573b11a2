"""The RL stages' engine: keeps rollouts fed, collects whole batches, publishes every step, and accounts for all of it.

    admit -> rl_group (sample, score, filter) -> hold -> [sweep] -> lease -> rl_step (train, publish) -> admit ...

What a group and a step do stands in `services/align.py`; here stands when they do it. Groups live as tasks of one
TaskGroup that awaits them all, and go on while the learner trains (`intake.py`). Invariants: every admitted group
leaves exactly once, dropped by `drops.py` or trained by the checkpoint that holds its step; a batch that was leased to
a step is trained by that step; a version is published after every optimiser step, before anything else is trained.
`begin` and `stage` go on where the ledger says that an earlier driver stopped.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from learner.errors import NonFiniteGradient
from learner.report import StepReport
from oars.alignment.drops import DropReason
from oars.alignment.messages import PolicySnapshot, TrainingGroup
from oars.alignment.stage import Stage
from oars.config import RunConfig
from oars.config.alignment import RLStageConfig
from services.control.admission import Admission, staleness
from services.control.drops import Drops
from services.control.experience import ExperienceBuffer, ScoredGroup
from services.control.group_runner import Dropped, GroupRunner, RLGroup
from services.control.intake import TICK_S, Intake, set_within
from services.control.observer import RunObserver
from services.control.policy_store import PolicyStore
from services.control.protocols import BadSample, Learner, Rollouts, SampleStore, Source
from services.control.stage_run import StageRun
from services.control.watch import Watch
from services.run.checkpoints import Checkpoints
from services.run.ledger import Ledger
from services.run.stopping import StopRequest
from services.run.watchdog import Watchdog

_LAG_EVERY_S = 0.5


class Conductor:
    """Runs one stage at a time; versions, ordinals and steps go on from stage to stage, and from driver to driver."""

    def __init__(
        self,
        config: RunConfig,
        ledger: Ledger,
        observer: RunObserver,
        watchdog: Watchdog,
        stop: StopRequest,
        checkpoints: Checkpoints,
        source: Source,
        rollouts: Rollouts,
        learner: Learner,
        policies: PolicyStore,
        samples: SampleStore,
        groups: GroupRunner,
        now: Callable[[], float],
        watch: Watch | None = None,
    ) -> None:
        """Without a watch there are no alarms."""
        self.config, self._watch = config, watch
        self._ledger, self._observer, self._watchdog, self._stop = ledger, observer, watchdog, stop
        self._checkpoints, self._rollouts, self._learner = checkpoints, rollouts, learner
        self._policies, self._samples, self._groups, self._now = policies, samples, groups, now
        self._drops = Drops(ledger, observer, samples)
        self._intake = Intake(ledger, observer, source, policies, samples, groups, self._drops, now)

    @property
    def steps(self) -> int:
        """Optimiser steps of RL so far, which is also the newest version."""
        return self._ledger.steps()

    @property
    def ended(self) -> bool:
        """An alarm ended RL."""
        return self._watch is not None and self._watch.ended is not None

    @property
    def _over(self) -> bool:
        return self._stop.requested or self.ended

    async def begin(self) -> None:
        """Bring the learner to where the ledger says that the run is, and publish that version."""
        self._acknowledge(await self._learner.begin_rl())
        await self.publish()

    @asynccontextmanager
    async def stage(self, stage: Stage, config: RLStageConfig, rl_group: RLGroup) -> AsyncIterator[StageRun]:
        """Inside, groups are admitted and live through `rl_group`; afterwards those in flight are cancelled, and the
        ledger keeps them for the next driver."""
        ledger, bound = self._ledger, self.config.control.staleness_bound
        self._observer.stage_began(stage.name)
        if self._watch and not self._watch.begun:
            await self._watch.look(self.steps, await self._learner.snapshot(self.steps))
        async with asyncio.TaskGroup() as tasks:
            rule, buffer = Admission(bound, config.groups), ExperienceBuffer(config.groups, bound)
            begun = (ledger.steps(stage.name), ledger.admitted(stage.name))
            running = StageRun(stage, config, rl_group, tasks, rule, buffer, *begun)
            await self._intake.restore(running)
            admitting = self._intake.admit(running, lambda: self._over)
            watching = [tasks.create_task(self._watch_clocks()), tasks.create_task(admitting)]
            yield running
            if running.look and not self._stop.requested:
                await running.look
            for task in [*watching, *running.lives, *([running.look] if running.look else [])]:
                task.cancel()

    async def next_batch(self, running: StageRun) -> list[ScoredGroup]:
        """Wait for a whole batch and lease it to the next step; empty once the stage has all its steps, or when a stop
        was requested or an alarm ended RL."""
        if running.step >= running.config.steps:
            return []
        if running.leased:
            leased, running.leased = running.leased, []
            return leased
        waiting = self._watchdog.waiting("learner", f"{running.config.groups} scored groups")
        with self._observer.timed("learner_idle"), waiting:
            while not self._over:
                if batch := self._full_batch(running):
                    self._ledger.leased(self.steps + 1, running.stage.name, self._staleness(batch))
                    return batch
                await set_within(running.changed, TICK_S)
        return []

    def _full_batch(self, running: StageRun) -> list[ScoredGroup]:
        """Sweep out what grew stale, then take a whole batch; empty if there is none."""
        batch = running.buffer.take(self._policies.current.version)
        for group in batch.stale:
            self._drops.group(running, group.group_id, Dropped(DropReason.STALE, f"version {group.version}"))
        self._observer.buffered(len(running.buffer))
        return batch.groups

    def _staleness(self, batch: list[ScoredGroup]) -> dict[str, int]:
        """Staleness by group id."""
        return {group.group_id: staleness(self._policies.current.version, group.version) for group in batch}

    async def train(self, running: StageRun, groups: list[TrainingGroup]) -> StepReport | None:
        """One optimiser step on top of the newest version. None if the batch was dropped: it gives no finite gradient,
        or new ranks find a sample of it damaged.

        Raises NothingTrainable.
        """
        version, running.step_began = self._policies.current.version, self._now()
        with self._observer.timed("train"):
            try:
                report = await self._learner.train(groups, version)
            except (NonFiniteGradient, BadSample) as error:
                reason = DropReason.LOST if isinstance(error, BadSample) else DropReason.NON_FINITE
                ids = [group.group_id for group in groups]
                self._drops.batch(running, version + 1, ids, Dropped(reason, f"step {version + 1}: {error}"))
                return None
        self._observer.clocks.lap(running.stage.name)
        self._ledger.stepped(version + 1, self._observer.clocks.seconds())
        return report

    async def publish(self) -> None:
        """Learner -> store -> workers, which install it before their next group."""
        version, start = self.steps, self._now()
        with self._observer.timed("publish"):
            published = self._policies.publish(await self._learner.publish(version))
            self._ledger.published(version, published.digest)
            self._rollouts.publish(published)
        self._observer.published(published, self._now() - start)

    async def end_step(
        self, running: StageRun, batch: list[ScoredGroup], groups: list[TrainingGroup], report: StepReport
    ) -> None:
        """Let the next groups in, show the step, and checkpoint every so many."""
        # Not before the new version is published: a group admitted earlier would be sampled with the old one.
        running.in_flight -= len(batch)
        running.drops_in_a_row.clear()
        running.step += 1
        running.room.set()
        version = self._policies.current.version
        behind = {group.group_id: staleness(version - 1, group.version) for group in batch}
        step, seconds = (running.step, running.config.steps), self._now() - running.step_began
        self._observer.trained(running.stage.name, step, batch, groups, behind, report, version, seconds)
        if self.steps % self.config.control.checkpoint_every == 0:
            await self.checkpoint()
        await self._look(running)

    async def _look(self, running: StageRun) -> None:
        """Begin a look that is due, unless the last one is not over."""
        watch, idle = self._watch, running.look is None or running.look.done()
        if watch and idle and watch.due(self.steps):
            policy = await self._learner.snapshot(self.steps)
            running.look = running.tasks.create_task(watch.look(self.steps, policy))

    async def result(self) -> PolicySnapshot:
        """The weights to evaluate: the evaluation average, or that of the last good look after a roll-back. Ends what
        an alarm left in flight."""
        await self.checkpoint()
        self._drops.rest()
        kept = self._watch.kept() if self._watch else None
        return kept or await self._learner.snapshot(self.steps)

    async def checkpoint(self) -> None:
        """Write a checkpoint, at a step boundary only; does nothing if this step has one."""
        step, position = self.steps, self._ledger.next_ordinal()
        path = self._checkpoints.path("step", step)
        if step == 0 or path.exists():
            return
        await self._learner.save(path, {"step": step, "version": self._policies.current.version, "ordinal": position})
        self._acknowledge(step)
        self._checkpoints.prune("step")
        self._observer.checkpointed(path)

    def _acknowledge(self, step: int) -> None:
        """Record the groups of a checkpoint as trained. Their samples stay until as many checkpoints as are kept hold
        them: with a damaged one their steps are repeated."""
        self._ledger.acknowledged(step)
        self._samples.forget_all_but(self._ledger.needed(self._checkpoints.secured()))

    async def _watch_clocks(self) -> None:
        while True:
            expected = self._now() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            now = self._now()
            self._observer.waits(max(0.0, now - expected), self._groups.unanswered(now))
