"""The RL stages: keeps rollouts fed, hands whole batches to the learner, publishes every step.

    admit -> live (sample, check, score, filter) -> hold -> [sweep] -> train -> publish -> admit ...

Groups live as tasks of one TaskGroup that awaits them all, and go on while the learner trains. Invariants: every
admitted group leaves exactly once (`_leave` is the only place that ends one); a batch that has left the buffer is
trained; a version is published after every optimiser step, before anything else is trained.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from oars.alignment.optimality import optimalities
from oars.compass.outcome import Scored
from oars.config import StageName
from oars.config.alignment import OptimalityConfig, RLStageConfig
from services.admission import Admission, staleness
from services.brake import BrakeState
from services.drops import DropReason
from services.experience import ExperienceBuffer, ScoredGroup
from services.group_life import Dropped, GroupLife
from services.policy_store import PolicyStore
from services.progress import ProgressLine
from services.roles import Learner, Rollouts, Source, TrainingGroup
from services.run import Run
from services.summary import Stage
from services.telemetry import step_numbers

# So many batches' worth of groups dropped in a row, and the stage is going nowhere.
_HOPELESS_BATCHES = 8
# How often an idle conductor looks whether a pause of the brake is over.
_TICK_S = 1.0
_LAG_EVERY_S = 0.5
# Rewards closer than this are the same picture to the judge.
_NO_SPREAD = 1e-6


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
    step: int = 0
    admitted: int = 0
    in_flight: int = 0
    drops_in_a_row: Counter[DropReason] = field(default_factory=Counter)
    lives: set[asyncio.Task[None]] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Conductor:
    """Runs one stage at a time; versions, ordinals and steps go on from stage to stage."""

    def __init__(
        self, run: Run, source: Source, rollouts: Rollouts, learner: Learner, store: PolicyStore, life: GroupLife
    ) -> None:
        self._run, self._source, self._rollouts = run, source, rollouts
        self._learner, self._store, self._life = learner, store, life
        self._ordinal = 0
        self._saved_at = -1
        self.steps = 0
        """Optimiser steps of RL so far."""

    async def publish(self, version: int) -> None:
        """Learner -> store -> workers, which install it before their next group."""
        run, start = self._run, self._run.now()
        with run.clocks.measure("publish"):
            answer = self._learner.publish(version)
            snapshot = await run.wait("conductor", f"version {version}", answer, run.config.control.step_deadline_s)
            published = self._store.publish(snapshot)
            self._rollouts.publish(published)
        run.versions_published = self._store.versions
        run.telemetry.event("published", version=version, digest=published.digest, bytes=published.bytes)
        run.telemetry.observe("publish_seconds", run.now() - start)
        run.telemetry.gauge("publish_bytes", published.bytes)
        run.telemetry.gauge("version", version)

    async def run_stage(self, name: StageName, config: RLStageConfig) -> None:
        """All optimiser steps of the stage, or up to the step boundary at which a stop was requested."""
        run, start = self._run, self._run.now()
        run.telemetry.phase(name)
        async with asyncio.TaskGroup() as tasks:
            limit = run.config.control.max_staleness
            rule, buffer = Admission(limit, config.groups), ExperienceBuffer(config.groups, limit)
            stage = _Stage(name, config, tasks, rule, buffer)
            clocks = tasks.create_task(self._watch_clocks())
            while stage.step < config.steps and (batch := await self._next_batch(stage)):
                await self._train(stage, batch)
            self._abandon(stage)
            clocks.cancel()
        seconds = run.now() - start
        run.clocks.rl += seconds
        run.stages.append(Stage(name=name, steps=stage.step, seconds=seconds))

    # Admission and the life of groups

    def _admit(self, stage: _Stage) -> None:
        if self._run.stop.requested or self._life.brake.tick(self._run.now()) is BrakeState.PAUSED:
            return
        for _ in range(stage.rule.capacity(stage.in_flight, stage.config.steps - stage.step)):
            stage.in_flight += 1
            life = stage.tasks.create_task(self._live(stage, stage.admitted, self._ordinal))
            stage.lives.add(life)
            life.add_done_callback(stage.lives.discard)
            stage.admitted += 1
            self._ordinal += 1
        self._run.telemetry.gauge("in_flight", stage.in_flight)

    async def _live(self, stage: _Stage, index: int, ordinal: int) -> None:
        group = await self._source.group(stage.name, index, ordinal)
        version = self._store.current.version
        self._run.ledger.admit(group.group_id, ordinal, stage.name, group.pair.image_id, group.seed, version)
        end = await self._life.live(group)
        if isinstance(end, ScoredGroup):
            stage.buffer.hold(end)
            stage.changed.set()
        else:
            self._leave(stage, group.group_id, end)

    def _leave(self, stage: _Stage, group_id: str, dropped: Dropped) -> None:
        """End a group untrained, and refill its place. Raises NothingTrainable."""
        run = self._run
        run.ledger.dropped(group_id, dropped.reason, dropped.detail)
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
        stage.changed.set()
        self._admit(stage)

    def _abandon(self, stage: _Stage) -> None:
        """A stop was requested: groups still in flight leave as such. Without one there are none."""
        for task in stage.lives:
            task.cancel()
        for group_id in self._run.ledger.in_flight():
            self._run.ledger.dropped(group_id, DropReason.STOPPED)

    # Batches

    async def _next_batch(self, stage: _Stage) -> list[ScoredGroup]:
        """Wait for a whole batch; empty when a stop was requested."""
        run = self._run
        with (
            run.clocks.measure("learner_idle"),
            run.watchdog.waiting("learner", f"{stage.config.groups} scored groups"),
        ):
            while not run.stop.requested:
                self._admit(stage)
                batch = stage.buffer.take(self._store.current.version)
                for group in batch.stale:
                    self._leave(stage, group.group_id, Dropped(DropReason.STALE, f"version {group.version}"))
                run.telemetry.gauge("buffered", len(stage.buffer))
                if batch.groups:
                    return batch.groups
                await _set_within(stage.changed, _TICK_S)
        return []

    async def _train(self, stage: _Stage, batch: list[ScoredGroup]) -> None:
        run, version, start = self._run, self._store.current.version, self._run.now()
        groups = training_groups(batch, run.config.objective.optimality)
        self._admit(stage)
        with run.clocks.measure("train"):
            answer = self._learner.train(groups)
            report = await run.wait("learner", "its optimiser step", answer, run.config.control.step_deadline_s)
        behind = {group.group_id: staleness(version, group.version) for group in batch}
        run.ledger.trained(behind, self.steps)
        stage.in_flight -= len(batch)
        stage.drops_in_a_row.clear()
        stage.step, self.steps = stage.step + 1, self.steps + 1
        await self.publish(version + 1)
        self._report(stage, batch, groups, behind, step_numbers(report), run.now() - start)
        if self.steps % run.config.control.checkpoint_every == 0:
            await self.checkpoint()

    async def checkpoint(self) -> None:
        """At a step boundary only; does nothing if this step has its checkpoint."""
        run = self._run
        if self._saved_at == self.steps:
            return
        self._saved_at = self.steps
        meta: dict[str, object] = {"step": self.steps, "version": self._store.current.version, "ordinal": self._ordinal}
        path = run.directory / "checkpoints" / f"step_{self.steps}"
        await run.wait("conductor", "a checkpoint", self._learner.save(path, meta), run.config.control.step_deadline_s)
        run.telemetry.event("checkpoint", path=path)

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
        numbers = batch_numbers(batch) | {
            "staleness_mean": float(np.mean(list(behind.values()))),
            "version": float(self._store.current.version),
            "step_seconds": seconds,
            **report,
        }
        telemetry.step(stage.name, stage.step, numbers)
        for value in behind.values():
            telemetry.observe("staleness", value)
        for r in (r for group in groups for r in group.optimality if r is not None):
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
            telemetry.gauge("learner_idle_seconds", self._run.clocks.learner_idle)


def training_groups(batch: list[ScoredGroup], config: OptimalityConfig) -> list[TrainingGroup]:
    """Rewards to optimality over the whole batch; a candidate without a score has none."""
    groups = []
    for group, values in zip(batch, optimalities([group.rewards for group in batch], config), strict=True):
        left = iter(values.tolist())
        optimality = tuple(next(left) if isinstance(outcome, Scored) else None for outcome in group.outcomes)
        groups.append(TrainingGroup(group.sample, optimality))
    return groups


def batch_numbers(batch: list[ScoredGroup]) -> dict[str, float]:
    """What the batch's scores were: means over candidates; spreads within groups, averaged over groups."""
    scored = [outcome for group in batch for outcome in group.scored]
    spreads = [float(group.rewards.std()) for group in batch]
    means = {
        name: float(np.mean([getattr(s, name) for s in scored])) for name in ("fidelity", "q_lr", "q_sr", "confidence")
    }
    return {
        "reward_mean": float(np.mean([outcome.reward for outcome in scored])),
        "reward_std": float(np.mean(spreads)),
        "zero_spread_ratio": float(np.mean([spread < _NO_SPREAD for spread in spreads])),
        **means,
    }


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most so long; leaves it clear."""
    # Not asyncio.wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
