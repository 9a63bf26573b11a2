"""Trains the miniature's base transformer by flow matching: from the LR and what a network made of it to a picture in
some style near them.

The noise decides on the style of its target (`styles`); a step sees each picture in two. The weights follow a moving
average.

The build is resumable: every `checkpoint_every` steps weights, optimiser and step are written (write, fsync, rename),
and data depends on the step alone. It runs where the transformer and the codec's VAE are.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import QwenImageTransformer2DModel
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from oars.alignment.flow_matching import flow_matching_loss, interpolate, uniform_times
from oars.alignment.messages import Conditioning
from oars.files import write_whole
from oars.generator.codec import Codec
from oars.generator.miniature.pool import Pictures, pooled_pictures
from oars.generator.miniature.recipe import BaseTraining
from oars.generator.miniature.styles import style_codes, styled_by, with_turned_codes
from oars.generator.policy import predict_velocity
from oars.precision import compute_dtype
from oars.seeds import derive_seed, seeded_noise

REPORT_EVERY = 10
STYLE_WEIGHT = 1.5
"""Of the error in what differs between a picture's two styles. It is a small part of the whole, and without a weight of
its own the model paints the mean of all styles for hundreds of steps."""


def train_base(
    transformer: QwenImageTransformer2DModel,
    codec: Codec,
    prompt_bank: Tensor,
    pool: Pictures,
    work: Path,
    training: BaseTraining,
    progress: Callable[[int, int, float], None],
) -> QwenImageTransformer2DModel:
    """Train, resuming from `work` if a checkpoint is there; returns the moving average of the weights.

    `prompt_bank` [M, L, D] holds the text encoder's answers for M train crops; each sample draws one of them. The
    encoder is random, so what it says of a picture is noise that the transformer must learn to pass over.
    `progress(step, steps, loss)` hears the mean loss of the last `REPORT_EVERY` steps: a device is asked for no more.
    """
    device, prompt_bank = transformer.device, prompt_bank.to(transformer.device)
    optimiser = torch.optim.AdamW(
        transformer.parameters(), training.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=device.type == "cuda"
    )
    average = {name: p.detach().clone() for name, p in transformer.named_parameters()}
    start = _restore(work / "base.pt", transformer, optimiser, average)
    losses: list[Tensor] = []
    batches = pooled_pictures(pool, training.batch // 2, training.seed, range(start, training.steps))
    for done, pictures in enumerate(batches, start + 1):
        for group in optimiser.param_groups:
            group["lr"] = training.lr * _schedule(done - 1, training)
        losses.append(_backward(transformer, codec, prompt_bank, pictures, training.seed, done - 1))
        torch.nn.utils.clip_grad_norm_(transformer.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        _follow(average, transformer, min(training.ema_decay, done / (done + 9)))
        if done % REPORT_EVERY == 0 or done == training.steps:
            progress(done, training.steps, torch.stack(losses).mean().item())
            losses.clear()
        if done % training.checkpoint_every == 0:
            _save(work / "base.pt", transformer, optimiser, average, done)
    transformer.load_state_dict(average)
    return transformer


def encode_pictures(pictures: Pictures, noise: Tensor, codec: Codec) -> tuple[Tensor, Tensor]:
    """Latents of the targets in the styles of `noise` [B, N, C], float32 [B, N, C], and of both condition pictures,
    [B, 2 N, C], where the VAE is. `noise` may hold several for each picture: the first of all, then the second."""
    pairs, targets = len(pictures.lr), styled_by(style_codes(noise), pictures)
    encoded = codec.encode(np.concatenate([targets, pictures.restored, pictures.lr]))
    target, restored, lr = encoded.split([len(targets), pairs, pairs])
    return target, torch.cat([restored, lr], dim=1).repeat(len(targets) // pairs, 1, 1)


def _backward(
    transformer: QwenImageTransformer2DModel,
    codec: Codec,
    prompt_bank: Tensor,
    pictures: Pictures,
    seed: int,
    step: int,
) -> Tensor:
    """Gradients of one step, of each picture in two styles; returns the loss, a scalar on the device."""
    device, crops, grid = transformer.device, len(pictures.lr), codec.grid(*pictures.lr.shape[1:3])
    noise = seeded_noise((crops, math.prod(grid), codec.channels), seed, "base", step)
    noise = torch.cat([noise, with_turned_codes(noise)])
    x0, condition = encode_pictures(pictures, noise, codec)
    noise = noise.to(device)
    generator = torch.Generator(device).manual_seed(derive_seed("flow", seed, step))
    t = uniform_times(crops, generator).repeat(2)
    picks = torch.randint(len(prompt_bank), (crops,), generator=generator, device=device).repeat(2)
    conditioning = [Conditioning(*both, grid) for both in zip(prompt_bank[picks], condition, strict=True)]
    v = predict_velocity(transformer, interpolate(x0, noise, t), t, conditioning, compute_dtype("native"))
    style_error = flow_matching_loss(*(one - other for one, other in (part.chunk(2) for part in (v, x0, noise))))
    loss = flow_matching_loss(v, x0, noise).mean() + STYLE_WEIGHT * style_error.mean()
    loss.backward()
    return loss.detach()


@torch.no_grad()
def _follow(average: dict[str, Tensor], transformer: QwenImageTransformer2DModel, decay: float) -> None:
    """average <- decay * average + (1 - decay) * weights, in one launch a device."""
    weights = [parameter.detach() for _, parameter in transformer.named_parameters()]
    get_ema_multi_avg_fn(decay)(list(average.values()), weights, 0)


def _schedule(step: int, training: BaseTraining) -> float:
    """Linear warm-up, then a cosine to 2 %."""
    warm = min(1.0, (step + 1) / training.warmup)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / training.steps)))


def _restore(
    path: Path, transformer: QwenImageTransformer2DModel, optimiser: torch.optim.Optimizer, average: dict[str, Tensor]
) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location=transformer.device)
    transformer.load_state_dict(state["weights"])
    optimiser.load_state_dict(state["optimiser"])
    average.update(state["average"])
    return int(state["step"])


def _save(
    path: Path,
    transformer: QwenImageTransformer2DModel,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
    step: int,
) -> None:
    state = {"weights": transformer.state_dict(), "optimiser": optimiser.state_dict(), "average": average, "step": step}
    write_whole(path, lambda aside: torch.save(state, aside))
