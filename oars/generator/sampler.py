"""Denoising: the flow schedule of the model's own scheduler, two deterministic solvers on it, and Flow-GRPO's SDE.

`t` is the flow time (diffusers: sigma), 1 at pure noise and 0 at data: x_t = (1 - t) x_0 + t noise, v = noise - x_0.
`euler` is what `QwenImageEditPlusPipeline` does. `dpm2m` is the second-order multistep DPM-Solver++ in the data
prediction, with Euler as first and last step (Edit-R1) and for a step much longer than the one before: on this schedule
alpha = 1 - t, sigma = t, and lambda = log(alpha / sigma).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import calculate_shift
from torch import Tensor

from oars.alignment.flow_grpo import step_mean, step_std

Solver = Literal["euler", "dpm2m"]
Velocity = Callable[[Tensor, Tensor], Tensor]


def flow_times(scheduler: FlowMatchEulerDiscreteScheduler, steps: int, tokens: int) -> Tensor:
    """float32 [steps + 1], from about 1 down to 0, shifted for an output of `tokens` latent tokens."""
    own = FlowMatchEulerDiscreteScheduler.from_config(scheduler.config)
    config = own.config
    mu = calculate_shift(
        tokens, config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift
    )
    own.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps), mu=mu)
    return own.sigmas.float().cpu()


def denoise(velocity: Velocity, noise: Tensor, times: Tensor, solver: Solver) -> Tensor:
    """Integrate from `noise` [B, N, C] float32 along `times`; `velocity(x, t[B])` -> [B, N, C]. Returns x_0."""
    x = noise.float()
    previous_data: Tensor | None = None
    last = len(times) - 2
    for step, (now, then) in enumerate(pairwise(times)):
        v = velocity(x, now.expand(len(x)).to(x.device)).float()
        data = x - now * v
        second_order = solver == "dpm2m" and 0 < step < last and _extrapolates(times[step - 1], now, then)
        x = _multistep(x, data, previous_data, times[step - 1], now, then) if second_order else x + (then - now) * v
        previous_data = data
    return x


def denoise_with_noise(
    velocity: Velocity, noise: Tensor, times: Tensor, solver: Solver, fresh: Tensor, level: float
) -> Tensor:
    """As `denoise`, but the first T steps are Flow-GRPO's: they add `fresh` [B, T, N, C], standard normal, at noise
    level `level`."""
    x, count = noise.float(), fresh.shape[1]
    for step, (now, then) in enumerate(pairwise(times[: count + 1])):
        v = velocity(x, now.expand(len(x)).to(x.device)).float()
        x = step_mean(x, v, now, then, level) + step_std(now, then, level) * fresh[:, step]
    return denoise(velocity, x, times[count:], solver)


def guided(velocity: Velocity, negative: Velocity, scale: float) -> Velocity:
    """True classifier-free guidance as `QwenImageEditPlusPipeline` has it: away from `negative` by `scale`, each token
    brought back to the length that it has without."""

    def combined(x: Tensor, t: Tensor) -> Tensor:
        v, away = velocity(x, t), negative(x, t)
        led = away + scale * (v - away)
        return led * (v.norm(dim=-1, keepdim=True) / led.norm(dim=-1, keepdim=True))

    return combined


def _extrapolates(before: Tensor, now: Tensor, then: Tensor) -> bool:
    """True if the last change of the data prediction reaches as far as the step, in lambda.

    It is half used up by a step as long as the one before. The step into Qwen's terminal time (0.02) is three times as
    long: extrapolated over it, the model's own errors grow into grain (ours).
    """
    return bool(_log_snr(then) - _log_snr(now) <= 2 * (_log_snr(now) - _log_snr(before)))


def _multistep(
    x: Tensor, data: Tensor, previous_data: Tensor | None, before: Tensor, now: Tensor, then: Tensor
) -> Tensor:
    """DPM-Solver++(2M): extrapolate the data prediction in lambda, then take the exact linear step."""
    assert previous_data is not None
    h_before, h = _log_snr(now) - _log_snr(before), _log_snr(then) - _log_snr(now)
    extrapolated = data + (data - previous_data) * (h / (2 * h_before))
    return (then / now) * x - (1 - then) * torch.expm1(-h) * extrapolated


def _log_snr(t: Tensor) -> Tensor:
    """lambda; t = 1 has alpha = 0, where float64 keeps a finite, very negative value out of the clamp."""
    t = t.double().clamp(1e-6, 1 - 1e-6)
    return (torch.log1p(-t) - torch.log(t)).float()
