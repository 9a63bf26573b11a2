"""The RL stages: keeps rollouts fed, hands whole batches to the learner, publishes every step.

    admit -> live (sample, check, keep, score, filter) -> hold -> [sweep] -> lease -> train -> publish -> admit ...

Groups live as tasks of one TaskGroup that awaits them all, and go on while the learner trains. Invariants: groups are
admitted one by one, in the order of their inputs; every admitted group leaves exactly once, dropped by `_leave` or
trained by the checkpoint that holds its step; a batch that was leased to a step is trained by that step; a version is
published after every optimiser step, before anything else is trained. `begin` and `_restore` go on where the ledger
says that an earlier driver stopped.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from oars.alignment.drops import DropReason
from oars.alignment.optimality import signal
from oars.config import StageName
from oars.config.alignment import RLStageConfig
from oars.report.summary import Stage
from services.control.admission import Admission, staleness
from services.control.batches import batch_numbers, restored, training_groups
from services.control.circuit_breaker import BreakerState
from services.control.experience import ExperienceBuffer, ScoredGroup
from services.control.group_life import Dropped, GroupLife
from services.control.policy_store import PolicyStore
from services.control.protocols import Learner, Rollouts, Samples, Source, TrainingGroup
from services.control.source import AdmittedGroup
from services.run.progress import ProgressLine
from services.run.run import Run
from services.run.telemetry import step_numbers

# So many batches' worth of groups dropped in a row, and the stage is going nowhere.
_HOPELESS_BATCHES = 8
# How often an idle conductor looks whether a pause of the breaker is over.
_TICK_S = 1.0
_LAG_EVERY_S = 0.5


class NothingTrainable(RuntimeError):
    """Group after group was dropped; the message counts the reasons."""


@dataclass
class _Stage:
    """The state of the stage that is running."""

    name: StageName
    config: RLStageConfig
    tasks: asyncio.TaskGroup
    rule: Admission
    buffer: ExperienceBuffer
    step: int
    admitted: int
    in_flight: int = 0
    leased: list[ScoredGroup] = field(default_factory=list)
    """A batch whose step an earlier driver began and did not finish."""
    drops_in_a_row: Counter[DropReason] = field(default_factory=Counter)
    lives: set[asyncio.Task[None]] = field(default_factory=set)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    """Something happened that may let a group in."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Something happened that may complete a batch."""


class Conductor:
    """Runs one stage at a time; versions, ordinals and steps go on from stage to stage, and from driver to driver."""

    def __init__(
        self,
        run: Run,
        source: Source,
        rollouts: Rollouts,
        learner: Learner,
        store: PolicyStore,
        life: GroupLife,
        samples: Samples,
    ) -> None:
        self._run, self._source, self._rollouts = run, source, rollouts
        self._learner, self._store, self._life, self._samples = learner, store, life, samples
        self._saved_at = -1

    @property
    def steps(self) -> int:
        """Optimiser steps of RL so far, which is also the newest version."""
        return self._run.ledger.steps()

    async def begin(self) -> None:
        """Bring the learner to where the ledger says that the run is, and publish that version."""
        self._saved_at = await self._learner.begin_rl()
        self._acknowledge(self._saved_at)
        self._samples.forget_all_but(self._run.ledger.in_flight())
        await self._publish(self.steps)

    async def _publish(self, version: int) -> None:
        """Learner -> store -> workers, which install it before their next group."""
        run, start = self._run, self._run.now()
        with run.clocks.measure("publish"):
            published = self._store.publish(await self._learner.publish(version))
            run.ledger.published(version, published.digest)
            self._rollouts.publish(published)
        run.telemetry.event("published", version=version, digest=published.digest, bytes=published.bytes)
        run.telemetry.observe("publish_seconds", run.now() - start)
        run.telemetry.gauge("publish_bytes", published.bytes)
        run.telemetry.gauge("version", version)

    async def run_stage(self, name: StageName, config: RLStageConfig) -> None:
        """The optimiser steps that the stage still lacks, or up to the step boundary at which a stop was requested."""
        run, ledger = self._run, self._run.ledger
        run.telemetry.phase(name)
        async with asyncio.TaskGroup() as tasks:
            bound = run.config.control.staleness_bound
            rule, buffer = Admission(bound, config.groups), ExperienceBuffer(config.groups, bound)
            stage = _Stage(name, config, tasks, rule, buffer, ledger.steps(name), ledger.admitted(name))
            await self._restore(stage)
            watching = [tasks.create_task(self._watch_clocks()), tasks.create_task(self._admit(stage))]
            while stage.step < config.steps and (batch := await self._next_batch(stage)):
                await self._train(stage, batch)
            for task in [*watching, *stage.lives]:
                task.cancel()
        run.clocks.lap(name)
        run.stages.append(Stage(name=name, steps=stage.step, seconds=run.clocks[name]))

    # Admission and the life of groups

    async def _admit(self, stage: _Stage) -> None:
        """The only place that admits; runs as long as the stage."""
        run = self._run
        while True:
            while self._may_admit(stage):
                group = await self._source.group(stage.name, stage.admitted, run.ledger.next_ordinal())
                version, image = self._store.current.version, group.pair.image_id
                run.ledger.admit(group.group_id, group.ordinal, stage.name, stage.admitted, image, group.seed, version)
                stage.admitted += 1
                stage.in_flight += 1
                self._start(stage, group, attempts=0)
            run.telemetry.gauge("in_flight", stage.in_flight)
            run.telemetry.gauge("admission_limit", self._life.concurrency.limit)
            await _set_within(stage.room, _TICK_S)

    def _may_admit(self, stage: _Stage) -> bool:
        """One more: the rule has room, COMPASS keeps up, and nothing has paused or stopped the run."""
        run, now = self._run, self._run.now()
        return (
            stage.rule.capacity(stage.in_flight, stage.config.steps - stage.step) > 0
            and self._life.room(len(stage.lives), now) >= 1
            and self._life.breaker.tick(now) is not BreakerState.OPEN
            and not run.stop.requested
        )

    def _start(self, stage: _Stage, group: AdmittedGroup, attempts: int) -> None:
        life = stage.tasks.create_task(self._live(stage, group, attempts))
        stage.lives.add(life)
        life.add_done_callback(stage.lives.discard)

    async def _live(self, stage: _Stage, group: AdmittedGroup, attempts: int) -> None:
        self._arrive(stage, group.group_id, await self._life.live(group, attempts))
        stage.room.set()

    def _arrive(self, stage: _Stage, group_id: str, end: ScoredGroup | Dropped) -> None:
        if isinstance(end, ScoredGroup):
            stage.buffer.hold(end)
            stage.changed.set()
        else:
            self._leave(stage, group_id, end)

    def _leave(self, stage: _Stage, group_id: str, dropped: Dropped) -> None:
        """End a group untrained, and make room for another. Raises NothingTrainable."""
        run = self._run
        run.ledger.dropped(group_id, dropped.reason, dropped.detail)
        self._samples.forget([group_id])
        run.telemetry.event("dropped", group=group_id, reason=dropped.reason, detail=dropped.detail)
        if run.telemetry.prometheus:
            run.telemetry.prometheus.group_left(str(dropped.reason))
        stage.in_flight -= 1
        stage.drops_in_a_row[dropped.reason] += 1
        if stage.drops_in_a_row.total() >= _HOPELESS_BATCHES * stage.config.groups:
            reasons = ", ".join(f"{reason} {count}" for reason, count in stage.drops_in_a_row.most_common())
            raise NothingTrainable(
                f"{stage.name}: the last {stage.drops_in_a_row.total()} groups were dropped ({reasons})"
            )
        stage.room.set()

    async def _restore(self, stage: _Stage) -> None:
        """Take over an earlier driver's groups in flight: finished ones come from disk, pending ones get a new
        attempt."""
        ledger = self._run.ledger
        pending, held = ledger.pending(stage.name), await restored(ledger.held(stage.name), self._samples)
        if batch := ledger.unfinished_step(stage.name):
            stage.leased = await restored(batch.groups, self._samples)
        stage.in_flight = len(pending) + len(held) + len(stage.leased)
        for group in held:
            self._arrive(stage, group.group_id, self._life.finished(group))
        for each in pending:
            self._start(stage, await self._source.group(stage.name, each.input, each.ordinal), each.attempts)
        if stage.in_flight:
            counts = {"finished": len(held), "leased": len(stage.leased), "pending": len(pending)}
            self._run.telemetry.event("restored", stage=stage.name, **counts)

    # Batches

    async def _next_batch(self, stage: _Stage) -> list[ScoredGroup]:
        """Wait for a whole batch; empty when a stop was requested. The batch is leased to the next step."""
        run = self._run
        if stage.leased:
            leased, stage.leased = stage.leased, []
            return leased
        with (
            run.clocks.measure("learner_idle"),
            run.watchdog.waiting("learner", f"{stage.config.groups} scored groups"),
        ):
            while not run.stop.requested:
                batch = stage.buffer.take(self._store.current.version)
                for group in batch.stale:
                    self._leave(stage, group.group_id, Dropped(DropReason.STALE, f"version {group.version}"))
                run.telemetry.gauge("buffered", len(stage.buffer))
                if batch.groups:
                    run.ledger.leased(self.steps + 1, stage.name, self._behind(batch.groups))
                    return batch.groups
                await _set_within(stage.changed, _TICK_S)
        return []

    def _behind(self, batch: list[ScoredGroup]) -> dict[str, int]:
        """Staleness by group id."""
        return {group.group_id: staleness(self._store.current.version, group.version) for group in batch}

    async def _train(self, stage: _Stage, batch: list[ScoredGroup]) -> None:
        run, version, start = self._run, self._store.current.version, self._run.now()
        groups, behind = training_groups(batch, run.config.objective.optimality), self._behind(batch)
        with run.clocks.measure("train"):
            report = await self._learner.train(groups, version)
        run.clocks.lap(stage.name)
        run.ledger.stepped(version + 1, run.clocks.seconds())
        await self._publish(version + 1)
        # Not before: a group admitted while the new version is on its way would be sampled with the old one.
        stage.in_flight -= len(batch)
        stage.drops_in_a_row.clear()
        stage.step += 1
        stage.room.set()
        self._report(stage, batch, groups, behind, step_numbers(report), run.now() - start)
        if self.steps % run.config.control.checkpoint_every == 0:
            await self.checkpoint()

    async def checkpoint(self) -> None:
        """Write a checkpoint, at a step boundary only; does nothing if this step has one."""
        run, step = self._run, self.steps
        if self._saved_at == step:
            return
        path, position = run.checkpoints.path("step", step), run.ledger.next_ordinal()
        await self._learner.save(path, {"step": step, "version": self._store.current.version, "ordinal": position})
        self._saved_at = step
        self._acknowledge(step)
        run.checkpoints.prune("step")
        run.telemetry.event("checkpoint", path=path)

    def _acknowledge(self, step: int) -> None:
        """Record the groups of a checkpoint as trained, and delete their samples from disk."""
        self._samples.forget(self._run.ledger.acknowledged(step))

    # What is shown

    def _report(
        self,
        stage: _Stage,
        batch: list[ScoredGroup],
        groups: list[TrainingGroup],
        behind: dict[str, int],
        report: dict[str, float],
        seconds: float,
    ) -> None:
        telemetry = self._run.telemetry
        optimality = [r for group in groups for r in group.optimality if r is not None]
        numbers = batch_numbers(batch) | {
            "optimality_signal": signal(optimality),
            "staleness_mean": float(np.mean(list(behind.values()))),
            "version": float(self._store.current.version),
            "step_seconds": seconds,
            **report,
        }
        telemetry.step(stage.name, stage.step, numbers)
        for value in behind.values():
            telemetry.observe("staleness", value)
        for r in optimality:
            telemetry.observe("optimality", r)
        telemetry.observe("learner_step_seconds", report["seconds"])
        if telemetry.prometheus:
            telemetry.prometheus.group_left("trained", len(batch))
        note = f"reward {numbers['reward_mean']:.3f}  staleness {numbers['staleness_mean']:.1f}"
        self._run.progress.update(ProgressLine(stage.name, stage.step, stage.config.steps, note))

    async def _watch_clocks(self) -> None:
        telemetry, now = self._run.telemetry, self._run.now
        while True:
            expected = now() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            telemetry.gauge("event_loop_lag_seconds", max(0.0, now() - expected))
            telemetry.gauge("reward_unavailable_seconds", self._life.unanswered(now()))
            telemetry.gauge("learner_idle_seconds", self._run.clocks["learner_idle"])


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most so long; leaves it clear."""
    # Not asyncio.wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
