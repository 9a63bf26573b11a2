"""DiffusionNFT (arXiv 2509.16117): the objective, as the OARS paper uses it.

For a candidate x_0 with optimality r, at x_t = (1 - t) x_0 + t noise:
  v+ = (1 - beta) v_old + beta v_theta          v- = (1 + beta) v_old - beta v_theta
Each branch is a self-normalised x_0 regression, x^_0 = x_t - t v:
  L = mean (x^_0 - x_0)^2 / stopgrad(max(mean |x^_0 - x_0|, floor))
  loss = clip_max * (r L+ + (1 - r) L-) / beta + kl_weight * mean (v_theta - v_ref)^2
With `normaliser: time` t takes the divisor's place; `without_mean` takes from x^_0 - x_0 its mean over tokens, and
`mean_weight` adds the squared distance of v_theta's mean over tokens from v_ref's (all ours). The divisor is float64.
At theta = old both branches coincide: the value does not depend on r, and the gradient is (2r - 1) times that at r = 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from oars.config import ObjectiveConfig


@dataclass(frozen=True)
class LossParts:
    """Per-sample values, float32 [B]; `total` carries the gradient."""

    total: Tensor
    policy: Tensor
    positive: Tensor
    negative: Tensor
    kl: Tensor


def nft_loss(
    v_theta: Tensor,
    v_old: Tensor,
    v_ref: Tensor | None,
    x_t: Tensor,
    x0: Tensor,
    t: Tensor,
    optimality: Tensor,
    config: ObjectiveConfig,
) -> LossParts:
    """Velocities, x_t and x0 are float32 [B, N, C]; t and optimality float32 [B] in (0, 1] and [0, 1]."""
    beta = config.beta
    positive = _branch(v_old + beta * (v_theta - v_old), x_t, x0, t, config)
    negative = _branch(v_old - beta * (v_theta - v_old), x_t, x0, t, config)
    policy = config.clip_max * (optimality * positive + (1 - optimality) * negative) / beta
    kl = torch.zeros_like(policy) if v_ref is None else (v_theta - v_ref).square().flatten(1).mean(1)
    held = torch.zeros_like(policy) if v_ref is None else (v_theta - v_ref).mean(1).square().mean(1)
    total = policy + config.kl_weight * kl + config.mean_weight * held
    return LossParts(total, policy.detach(), positive.detach(), negative.detach(), kl.detach())


def _branch(velocity: Tensor, x_t: Tensor, x0: Tensor, t: Tensor, config: ObjectiveConfig) -> Tensor:
    error = x_t - t.view(-1, 1, 1) * velocity - x0
    if config.without_mean:
        error = error - error.mean(1, keepdim=True)
    error = error.flatten(1)
    own = error.detach().double().abs().mean(1).clamp_min(config.normaliser_floor)
    normaliser = own if config.normaliser == "error" else t.double()
    return (error.square().mean(1) / normaliser).float()
