"""The cold start's objective: conditional flow matching, v = noise - x_0, x_t = (1 - t) x_0 + t noise (paper)."""

import torch
from torch import Tensor


def interpolate(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t for x0 and noise [B, ...] and t [B]."""
    weight = t.view(-1, *[1] * (x0.ndim - 1))
    return (1 - weight) * x0 + weight * noise


def flow_matching_loss(v_theta: Tensor, x0: Tensor, noise: Tensor) -> Tensor:
    """Mean squared velocity error per sample, [B]."""
    return (v_theta - (noise - x0)).square().flatten(1).mean(1)


def uniform_times(count: int, generator: torch.Generator) -> Tensor:
    """Training times in (0, 1], uniform (ours: the paper is silent), on the generator's device.

    A distribution that spares the ends, such as Stable Diffusion 3's logit-normal one, hardly trains the last denoising
    steps, which are what takes grain out of a picture.
    """
    return 1 - torch.rand(count, generator=generator, device=generator.device)
