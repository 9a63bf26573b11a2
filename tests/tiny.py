"""A random generator of the real classes, small enough that a cluster test pays for Ray and not for arithmetic."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import QwenImageTransformer2DModel
from numpy.typing import NDArray

from oars.alignment.messages import PolicySnapshot, RolloutRequest
from oars.config import RunConfig
from oars.generator.policy import Policy, load_transformer
from oars.imaging.crops import Pair

K = 3
SIDE = 32


def tiny_config(directory: Path, **changes: object) -> RunConfig:
    """The run's config on that directory, float32; `changes` are whole sections as dictionaries."""
    tree: dict[str, object] = {
        "data": {"crop": SIDE},
        "judge": {"min_pixels": SIDE * SIDE},
        "generator": {"path": str(directory), "dtype": "float32", "text_image_area": 64 * 64, "lora": {"rank": 4}},
        "sampler": {"steps": 3, "batch": 2},
        "objective": {"timesteps": 2},
        "optimiser": {"micro_batch": 4, "lr": 1e-2},
        "stages": {"cold_start": {"optimiser": {"micro_batch": 2}}},
        "rollout": {"candidates": K},
        "alarms": {"every": 0},
    }
    return RunConfig.model_validate(tree | changes)


def picture(seed: int, side: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def rollout_request(group: int = 0, version: int = 0) -> RolloutRequest:
    return RolloutRequest(f"group-{group}", 0, picture(group, SIDE // 4), 100 + group, K, version)


def pairs(count: int) -> list[Pair]:
    return [Pair(f"pair-{i}", picture(i, SIDE // 4), picture(50 + i, SIDE)) for i in range(count)]


def fresh_snapshot(config: RunConfig, version: int = 0, shift: float = 0.0) -> PolicySnapshot:
    """What a learner that has not trained publishes; with a `shift`, some other adapter."""
    policy = Policy(load_transformer(config.generator), config.generator, ("old",), config.seed)
    with torch.no_grad():
        for parameter in policy.named_parameters("old").values():
            parameter.add_(shift)
    return policy.snapshot("old", version)


@contextmanager
def forward_passes() -> Iterator[list[str]]:
    """Collects the name of the model at each forward pass of a generator's transformer, in this process."""
    passes: list[str] = []

    def seen(module: torch.nn.Module, _arguments: Any) -> None:
        if isinstance(module, QwenImageTransformer2DModel):
            passes.append(type(module).__name__)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(seen)
    try:
        yield passes
    finally:
        hook.remove()
