"""The first stage: flow-matching SFT of the whole transformer on LR-GT pairs."""

import asyncio
import time
from pathlib import Path

from oars.imaging.crops import Pair
from services.progress import ProgressLine
from services.roles import Learner
from services.run import Run
from services.source import InputSource
from services.summary import Stage
from services.telemetry import step_numbers


async def cold_start(run: Run, source: InputSource, learner: Learner) -> Path:
    """Train, save, and return the directory of the SFT weights. A requested stop ends it at a step boundary."""
    config, start, steps = run.config.stages.cold_start, time.monotonic(), 0
    run.telemetry.phase("cold_start")
    # The next batch is cropped and degraded in a thread while the learner trains on this one.
    upcoming = asyncio.create_task(_batch(run, source, 0))
    while steps < config.steps and not run.stop.requested:
        pairs, upcoming = await upcoming, asyncio.create_task(_batch(run, source, steps + 1))
        answer = learner.cold_start_step(pairs)
        report = await run.wait("learner", "a cold-start step", answer, run.config.control.step_deadline_s)
        steps += 1
        numbers = step_numbers(report)
        run.telemetry.step("cold_start", steps, numbers)
        run.progress.update(ProgressLine("cold_start", steps, config.steps, f"loss {numbers['loss']:.4f}"))
    await upcoming
    path = run.directory / "sft"
    await run.wait("conductor", "the SFT weights", learner.save_sft(path), run.config.control.step_deadline_s)
    run.stages.append(Stage(name="cold_start", steps=steps, seconds=time.monotonic() - start))
    return path


async def _batch(run: Run, source: InputSource, step: int) -> list[Pair]:
    size = run.config.stages.cold_start.batch
    return await asyncio.to_thread(source.pairs, "cold_start", step * size, size)
