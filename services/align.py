"""The paper's algorithm. `services/launch/driver.py` is the job around it, `docs/paper-map.md` leads from each equation
to its code.

    cold start   flow-matching SFT of the whole transformer         -> SFT weights
    FR-RL        DiffusionNFT on a LoRA over the base weights (or SFT's, `stages.rl_on`), F measured against GT
    refresh      ours, with `stages.refresh`: the judge learns the pictures that FR-RL kept, and judges from here on
    NR-RL        the same LoRA goes on, real low-quality inputs, COMPASS alone
    held-out     bicubic, base, SFT, aligned = SFT weights + the LoRA's evaluation average

A run that is resumed goes through the same lines, and each of them does what is left of it.
"""

from pathlib import Path

from oars.alignment.messages import AttemptFailed, PolicySnapshot
from oars.alignment.stage import NR_RL, RL_STAGES, Stage
from services.control.batches import training_groups
from services.control.cold_start import cold_start
from services.control.conductor import Conductor
from services.control.experience import ScoredGroup
from services.control.group_runner import Dropped, GroupRunner
from services.control.judge_exchange import ReplaceJudge
from services.control.protocols import Judge
from services.control.roles import conducting, learning
from services.control.source import AdmittedGroup
from services.control.stage_run import StageRun
from services.results.held_out import Results, evaluate
from services.results.merging import merge_aligned
from services.reward_modeling.refresh_stage import refresh_judge
from services.run.run import Run


async def align(run: Run, replace: ReplaceJudge) -> Results | None:
    """All stages. None if a stop was requested before the evaluation."""
    async with learning(run, replace) as roles:
        sft = await cold_start(run, roles.source, roles.learner)
        if sft is None:
            return None
        async with conducting(run, roles) as conductor:
            for stage in RL_STAGES:
                if stage is NR_RL:
                    await refresh_judge(run, conductor.ended, replace)
                steps = await rl_stage(conductor, stage)
                run.stage_ended(stage.name, steps)
            if run.stop.requested:
                await conductor.checkpoint()
                return None
            adapter = await conductor.result()
    results = await run.stop.unless_requested(finish(run, roles.judge, sft, adapter))
    if results:
        roles.samples.forget_all_but([])
    return results


async def rl_stage(conductor: Conductor, stage: Stage) -> int:
    """Admitted groups live side by side in `rl_group`; `rl_step` trains on each whole batch. Returns the steps done."""
    async with conductor.stage(stage, conductor.config.stages.rl(stage.name), rl_group) as running:
        while batch := await conductor.next_batch(running):
            await rl_step(conductor, running, batch)
    return running.step


async def rl_group(runner: GroupRunner, group: AdmittedGroup, attempt: int) -> ScoredGroup | Dropped | AttemptFailed:
    """One LR image that was admitted."""
    sampled = await runner.sample(group, attempt)  # K candidates of `old`: rollout_workers/worker.py
    if isinstance(sampled, AttemptFailed):
        return sampled
    scored = await runner.score(group, sampled)  # F, Q_LR, Q_SR of each transition, then the reward R
    if isinstance(scored, AttemptFailed):
        return scored
    return runner.filtered(scored)  # all good and all alike: nothing to learn


async def rl_step(conductor: Conductor, running: StageRun, batch: list[ScoredGroup]) -> None:
    """One optimiser step on a batch of groups."""
    groups = training_groups(batch, conductor.config.objective.optimality)  # rewards R -> optimality r in [0, 1]
    report = await conductor.train(running, groups)  # oars/alignment/objective.py, AdamW, old <- blend
    if report is None:  # no finite gradient: the batch was dropped
        return
    await conductor.publish()  # `old` as the next version, to every rollout worker
    await conductor.end_step(running, batch, groups, report)


async def finish(run: Run, judge: Judge, sft: Path, adapter: PolicySnapshot) -> Results:
    """Merge and evaluate; can be repeated from the last checkpoint at any time."""
    return await evaluate(run, judge, sft, await merge_aligned(run, sft, adapter))
