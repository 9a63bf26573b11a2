"""The objective that the config names (`objective.kind`), at training points of one sample.

A point is (candidate k, point j); tensors of several points are [B, ...] in their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from oars.alignment.flow_grpo import GrpoParts, flow_grpo_loss, step_noise
from oars.alignment.messages import TrainingSample
from oars.alignment.nft import LossParts, nft_loss
from oars.alignment.training_points import training_point
from oars.config import ObjectiveConfig

Points = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Velocities:
    """float32 [B, N, C]; `theta` alone carries a gradient."""

    theta: Tensor
    old: Tensor
    ref: Tensor | None
    """None at KL weight 0."""


def part_names(config: ObjectiveConfig) -> tuple[str, ...]:
    """Names of the loss's parts; the first is `total`."""
    return tuple(field.name for field in fields(GrpoParts if config.kind == "flow_grpo" else LossParts))


def training_points(sample: TrainingSample, points: Points, config: ObjectiveConfig) -> tuple[Tensor, Tensor]:
    """x_t [B, N, C] and t [B]: on the way that the candidate was sampled (Flow-GRPO), or x_0 with fresh noise."""
    t = sample.t[indices(points)]
    if sample.x_t is not None:
        return sample.x_t[indices(points)], t
    x_t = [training_point(sample.x0[k], sample.t[k, j], sample.seed, k, j, config) for k, j in points]
    return torch.stack(x_t), t


def objective_loss(
    velocities: Velocities,
    x_t: Tensor,
    t: Tensor,
    sample: TrainingSample,
    points: Points,
    optimality: Tensor,
    config: ObjectiveConfig,
) -> LossParts | GrpoParts:
    """Velocities, x_t and t at `training_points`, optimality float32 [B]; all of them on one device."""
    at, v = indices(points), velocities
    if config.kind == "diffusion_nft":
        return nft_loss(v.theta, v.old, v.ref, x_t, sample.x0[at[0]].to(x_t), t, optimality, config)
    assert sample.t_next is not None, "a Flow-GRPO rollout gives the times of its steps"
    noise = torch.stack([step_noise(tuple(x_t.shape[1:]), sample.seed, k, j) for k, j in points]).to(x_t)
    return flow_grpo_loss(v.theta, v.old, v.ref, noise, t, sample.t_next[at].to(x_t), optimality, config)


def indices(points: Points) -> Any:
    """Candidates and points, as an index into [K, T, ...]."""
    return tuple(list(each) for each in zip(*points, strict=True))
