"""The first stage: flow-matching SFT of the transformer on LR-GT pairs, or weights that were brought along."""

import asyncio
from pathlib import Path
from typing import Any

from oars.alignment.stage import COLD_START
from oars.imaging.crops import Pair
from oars.sft_weights import check_sft_weights
from services.control.resilient_learner import ResilientLearner
from services.control.source import InputSource
from services.run.progress import ProgressLine
from services.run.run import Run
from services.run.telemetry import step_numbers

_STAGE = COLD_START.name


async def cold_start(run: Run, source: InputSource, learner: ResilientLearner) -> Path | None:
    """Train, save, and return the directory of the SFT weights, which is there once the stage is done.

    A requested stop ends it at a step boundary with a checkpoint, and returns None.
    """
    path, own = run.sft, run.config.stages.cold_start.weights
    steps = 0 if own else run.config.stages.cold_start.steps
    if own and not path.exists():
        check_sft_weights(run.config)
        path.unlink(missing_ok=True)  # a link to weights that have moved since
        path.symlink_to(own.absolute(), target_is_directory=True)
    if not path.exists():
        done = await _train(run, source, learner)
        if done < steps:
            return None
        await learner.save_sft(path)
        run.checkpoints.prune("cold_start", keep=0)
    run.stage_ended(_STAGE, steps)
    return path


async def _train(run: Run, source: InputSource, learner: ResilientLearner) -> int:
    """Train from the last checkpoint on; returns the steps done."""
    config, every = run.config.stages.cold_start, run.config.control.cold_start_checkpoint_every
    run.telemetry.phase(_STAGE)

    async def batch(step: int) -> list[Pair]:
        return await asyncio.to_thread(source.pairs, COLD_START, step * config.batch, config.batch)

    done = await learner.begin_cold_start(batch)
    async with asyncio.TaskGroup() as ahead:
        # The next batch is cropped and degraded in a thread while the learner trains on this one.
        upcoming = ahead.create_task(batch(done))
        while done < config.steps and not run.stop.requested:
            pairs, upcoming = await upcoming, ahead.create_task(batch(done + 1))
            report = await learner.cold_start_step(pairs)
            done += 1
            if report:
                numbers = step_numbers(report)
                run.telemetry.step(_STAGE, done, numbers)
                run.progress.update(ProgressLine(_STAGE, done, config.steps, f"loss {numbers['loss']:.4f}"))
            if done < config.steps and (done % every == 0 or run.stop.requested):
                await _checkpoint(run, learner, done)
    return done


async def _checkpoint(run: Run, learner: ResilientLearner, step: int) -> None:
    meta: dict[str, Any] = {"step": step}
    await learner.save(run.checkpoints.path("cold_start", step), meta)
    run.clocks.lap(_STAGE)
    run.ledger.record_clocks(run.clocks.seconds())
    run.checkpoints.prune("cold_start")
