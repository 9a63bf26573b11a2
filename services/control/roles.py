"""The roles of a run, started and stopped in order: the learner for the whole run, rollout workers for RL."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import ray

from learner.group import LearnerGroup
from oars.alignment.stage import RL_STAGES
from oars.imaging.crops import Pair
from rollout_workers.pool import RolloutPool
from services.control.compass import connect_compass
from services.control.conductor import Conductor
from services.control.group_runner import AfterFailure, GroupRunner, retry_policy
from services.control.judge_exchange import ReplaceJudge, serve_judge
from services.control.measured_look import RayMeasure
from services.control.observer import RunObserver
from services.control.policy_store import PolicyStore
from services.control.protocols import Judge, Learner, Rollouts, SampleStore, Source
from services.control.resilient_learner import Ranks, ResilientLearner
from services.control.sample_store import RaySampleStore
from services.control.source import InputSource
from services.control.watch import Measure, Watch
from services.run.run import Run


@dataclass(frozen=True)
class Roles:
    """The roles that live from the cold start to the last step."""

    source: InputSource
    judge: Judge
    learner: ResilientLearner
    samples: RaySampleStore
    observer: RunObserver


@asynccontextmanager
async def learning(run: Run, replace: ReplaceJudge) -> AsyncIterator[Roles]:
    """Connect COMPASS and start the learner's ranks, which end with the block. A run whose judge was refreshed has it
    served first. Raises NoCompass, WrongJudge, BadJudge, BadReward, NoPhotos, LearnerUnavailable."""
    if run.refreshed:
        await serve_judge(run, replace)
    judge, source = connect_compass(run.config, run.judge, run.telemetry), InputSource(run.config, run.id)
    samples, observer = RaySampleStore(run.directory / "experience"), observer_of(run)

    async def start() -> LearnerGroup:
        return await LearnerGroup.start(run.config, run.rl_weights)

    async with learner_of(run, observer, samples, start) as learner:
        yield Roles(source, judge, learner, samples, observer)


@asynccontextmanager
async def conducting(run: Run, roles: Roles) -> AsyncIterator[Conductor]:
    """Start the rollout workers, bring the learner into RL, publish; the workers end with the block. Raises
    WorkersUnavailable."""
    rollouts, policies = RolloutPool.create(run.config, run.rl_weights), PolicyStore(ray.put)
    watch = await _watch(run, roles, rollouts, policies)
    conductor = conductor_of(
        run, roles.observer, roles.source, rollouts, roles.judge, roles.learner, policies, roles.samples, watch=watch
    )
    try:
        await conductor.begin()
        # `ready` reports its own timeout; this outer one is a backstop.
        deadline = 2 * run.config.control.start_deadline_s
        await run.watchdog.wait("conductor", "the rollout workers", rollouts.ready(), deadline)
        yield conductor
    finally:
        await rollouts.stop()


async def _watch(run: Run, roles: Roles, rollouts: Rollouts, policies: PolicyStore) -> Watch | None:
    """None for a run that is too short for a second look."""
    config, steps = run.config.alarms, sum(run.config.stages.rl(stage.name).steps for stage in RL_STAGES)
    if not config.every or steps < config.every:
        return None
    pairs = await asyncio.to_thread(roles.source.watched, config.crops)
    measure = RayMeasure(run.config.control.group_deadline_s)
    return watch_of(run, roles.observer, pairs, rollouts, roles.judge, roles.learner, policies, measure)


# Each role is handed the parts of the run that it needs, here and nowhere else.


def observer_of(run: Run) -> RunObserver:
    return RunObserver(run.telemetry, run.clocks, run.progress)


def learner_of(
    run: Run, observer: RunObserver, samples: SampleStore, start: Callable[[], Awaitable[Ranks]]
) -> AbstractAsyncContextManager[ResilientLearner]:
    """`start` brings up new ranks."""
    learner = ResilientLearner(run.config, run.ledger, observer, run.watchdog, run.checkpoints, samples, run.now, start)
    return learner.running()


def watch_of(
    run: Run,
    observer: RunObserver,
    pairs: Sequence[Pair],
    rollouts: Rollouts,
    judge: Judge,
    learner: Learner,
    policies: PolicyStore,
    measure: Measure,
) -> Watch:
    return Watch(run.config, pairs, run.looks, observer, run.stop, rollouts, judge, policies, measure, learner.snapshot)


def conductor_of(
    run: Run,
    observer: RunObserver,
    source: Source,
    rollouts: Rollouts,
    judge: Judge,
    learner: Learner,
    policies: PolicyStore,
    samples: SampleStore,
    after_failure: AfterFailure | None = None,
    watch: Watch | None = None,
) -> Conductor:
    """`after_failure` decides about failed attempts in place of the config's policy."""
    config, ledger, watchdog = run.config, run.ledger, run.watchdog
    groups = GroupRunner(
        config,
        ledger,
        observer,
        watchdog,
        rollouts,
        judge,
        policies,
        samples,
        run.now,
        after_failure or retry_policy(config.control.group_attempts, random.random),
    )
    return Conductor(
        config,
        ledger,
        observer,
        watchdog,
        run.stop,
        run.checkpoints,
        source,
        rollouts,
        learner,
        policies,
        samples,
        groups,
        run.now,
        watch,
    )
