"""The paper's algorithm, as one run goes through it.

    cold start   flow-matching SFT of the whole transformer         -> SFT weights
    FR-RL        DiffusionNFT on a LoRA over the base weights (or SFT's, `stages.rl_on`), F measured against GT
    NR-RL        the same LoRA goes on, real low-quality inputs, COMPASS alone
    held-out     bicubic, base, SFT, aligned = SFT weights + the LoRA's evaluation average

`services/launch/driver.py` is the job around it.
"""

from contextlib import AsyncExitStack
from pathlib import Path

import ray

from learner.group import LearnerGroup
from oars.alignment.messages import PolicySnapshot
from rollout_workers.pool import RolloutPool
from services.control.cold_start import cold_start
from services.control.compass import connect_compass
from services.control.conductor import Conductor
from services.control.group_life import GroupLife
from services.control.policy_store import PolicyStore
from services.control.protocols import Judge
from services.control.resilient_learner import ResilientLearner
from services.control.sample_store import SampleStore
from services.control.source import InputSource
from services.results.held_out import Results, evaluate
from services.results.merging import merge_aligned
from services.run.run import Run


async def align(run: Run) -> Results | None:
    """The algorithm. None if a stop was requested before the evaluation. A run that is resumed goes through the same
    lines, and each of them does what is left of it."""
    stages, judge = run.config.stages, connect_compass(run.config, run.telemetry)
    source, store, samples = (
        InputSource(run.config, run.id),
        PolicyStore(ray.put),
        SampleStore(run.directory / "experience"),
    )
    async with AsyncExitStack() as actors:
        ranks = ResilientLearner.running(run, lambda: LearnerGroup.start(run.config, run.rl_weights), samples)
        learner = await actors.enter_async_context(ranks)
        sft = await cold_start(run, source, learner)
        if sft is None:
            return None
        rollouts = RolloutPool.create(run.config, run.rl_weights)
        actors.push_async_callback(rollouts.stop)
        life = GroupLife(run, rollouts, judge, store, samples)
        conductor = Conductor(run, source, rollouts, learner, store, life, samples)
        await conductor.begin()
        # Their own deadline has its own message; this one only bounds what that misses.
        await run.wait("conductor", "the rollout workers", rollouts.ready(), 2 * run.config.control.start_deadline_s)
        await conductor.run_stage("fr_rl", stages.fr_rl)
        await conductor.run_stage("nr_rl", stages.nr_rl)
        await conductor.checkpoint()
        if run.stop.requested:
            return None
        adapter = await learner.snapshot(store.current.version)
    return await run.stop.unless_requested(finish(run, judge, sft, adapter))


async def finish(run: Run, judge: Judge, sft: Path, adapter: PolicySnapshot) -> Results:
    """Merge and evaluate; can be repeated from the last checkpoint at any time."""
    return await evaluate(run, judge, sft, await merge_aligned(run, sft, adapter))
