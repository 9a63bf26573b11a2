"""Flow-GRPO (arXiv 2505.05470): the baseline objective, a policy gradient over noisy sampling steps.

The sampler takes Euler-Maruyama steps of an SDE with the flow's marginals, a = `flow_grpo.noise`, t falling:
  s^2 = a^2 t / (1 - t), at t = 1 with the next time in 1 - t          std = s sqrt(t - t_next)
  mean = x + (t_next - t) (v + s^2 / (2 t) (x + (1 - t) v))            x_next = mean + std noise
A step is a Gaussian, so the ratio of two policies at x_next follows from the noise and the distance of their means in
standard deviations, d = (mean_theta - mean_old) / std, linear in v_theta - v_old:
  log ratio = mean over elements of (noise d - d^2 / 2)                A = clip_max (2 r - 1)
  loss = -min(ratio A, clip(ratio, 1 - eps, 1 + eps) A) + kl_weight * mean d_ref^2 / 2, eps = `flow_grpo.clip_range`
As in the published code, log-probabilities are means over the latent's elements. With `optimality.scale` = `clip_max`,
A is the published advantage (R - mean) / std, clipped at `clip_max`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from oars.config import ObjectiveConfig
from oars.seeds import seeded_noise


@dataclass(frozen=True)
class GrpoParts:
    """Per-sample values, float32 [B]; `total` carries the gradient."""

    total: Tensor
    policy: Tensor
    kl: Tensor
    ratio: Tensor
    """Likelihood of the step under v_theta over that under v_old; 1 on-policy."""
    clipped: Tensor
    """1 where the clip takes the gradient, else 0."""


def step_mean(x: Tensor, v: Tensor, t: Tensor, t_next: Tensor, noise: float) -> Tensor:
    """Mean of x_next [B, ...]; t and t_next broadcast to x, `noise` is a."""
    return x + (t_next - t) * (v + _variance_rate(t, t_next, noise) / (2 * t) * (x + (1 - t) * v))


def step_std(t: Tensor, t_next: Tensor, noise: float) -> Tensor:
    """Standard deviation of x_next, the same for each element."""
    return (_variance_rate(t, t_next, noise) * (t - t_next)).sqrt()


def step_noise(shape: tuple[int, ...], seed: int, candidate: int, step: int) -> Tensor:
    """Standard normal of one candidate's step; the rollout worker draws it, and the learner draws it again."""
    return seeded_noise(shape, seed, "step", candidate, step)


def flow_grpo_loss(
    v_theta: Tensor,
    v_old: Tensor,
    v_ref: Tensor | None,
    noise: Tensor,
    t: Tensor,
    t_next: Tensor,
    optimality: Tensor,
    config: ObjectiveConfig,
) -> GrpoParts:
    """Velocities and the steps' noise are float32 [B, N, C]; times and optimality float32 [B]. v_old is that of the
    policy that sampled."""
    by_velocity = _mean_by_velocity(t, t_next, config.flow_grpo.noise).view(-1, 1, 1)
    moved = by_velocity * (v_theta - v_old)
    ratio = (noise * moved - moved.square() / 2).flatten(1).mean(1).exp()
    within = ratio.clamp(1 - config.flow_grpo.clip_range, 1 + config.flow_grpo.clip_range)
    advantage = config.clip_max * (2 * optimality - 1)
    policy = -torch.minimum(ratio * advantage, within * advantage)
    kl = torch.zeros_like(policy) if v_ref is None else _kl(by_velocity * (v_theta - v_ref))
    clipped = (within * advantage < ratio * advantage).float()
    return GrpoParts(policy + config.kl_weight * kl, policy.detach(), kl.detach(), ratio.detach(), clipped)


def _kl(moved: Tensor) -> Tensor:
    """KL divergence of Gaussians whose means are `moved` standard deviations apart, mean over elements."""
    return moved.square().flatten(1).mean(1) / 2


def _variance_rate(t: Tensor, t_next: Tensor, noise: float) -> Tensor:
    """s^2; at t = 1, where it has no bound, the published code takes the next time in its denominator."""
    return noise**2 * t / (1 - torch.where(t == 1, t_next, t))


def _mean_by_velocity(t: Tensor, t_next: Tensor, noise: float) -> Tensor:
    """Derivative of the mean by v, in standard deviations of the step."""
    by_velocity = (t_next - t) * (1 + _variance_rate(t, t_next, noise) * (1 - t) / (2 * t))
    return by_velocity / step_std(t, t_next, noise)
