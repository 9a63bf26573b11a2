"""Merges the aligned model, a transformer directory: the SFT weights plus the delta of the LoRA's evaluation average.

The sum is made in float32, and written in the precision of the transformer's arithmetic.
"""

from pathlib import Path

import ray
import torch

from oars.alignment.messages import PolicySnapshot
from oars.config import RunConfig
from oars.files import write_directory
from oars.generator.merge import add_delta
from oars.generator.policy import load_transformer
from oars.precision import compute_dtype
from services.run.run import Run


async def merge_aligned(run: Run, sft: Path, adapter: PolicySnapshot) -> Path:
    """Merge in a Ray task; returns the directory, which appears whole or not at all."""
    path = run.directory / "aligned"
    task = ray.remote(_merge).options(
        name="oars.merge", label_selector=run.config.learner.resources.label_selector or None
    )
    answer = task.remote(run.config, sft, adapter, path)
    await run.watchdog.wait("conductor", "the aligned weights", answer, run.config.control.step_deadline_s)
    return path


def _merge(config: RunConfig, sft: Path, adapter: PolicySnapshot, path: Path) -> None:
    aligned = add_delta(load_transformer(config.generator, sft, torch.float32), adapter, config.generator.lora)
    aligned = aligned.to(compute_dtype(config.generator.dtype))
    write_directory(path, aligned.save_pretrained)
