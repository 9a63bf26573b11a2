"""Pretrains the miniature's base transformer: general restoration of photo crops from mild, mixed degradations.

This is the stand-in for what Qwen-Image-Edit is before any super-resolution training: it edits a picture into a
cleaner, sharper one, and has never seen the heavy second-order degradation that the cold start is about.

The build is resumable: every `CHECKPOINT_EVERY` steps weights, optimiser and step are written (write, fsync, rename),
and data depends on the step alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import QwenImageTransformer2DModel
from torch import Tensor

from oars.alignment.flow_matching import flow_matching_loss, interpolate
from oars.alignment.group import Conditioning
from oars.alignment.seeds import derive_seed
from oars.config import DataConfig
from oars.config.degradation import DegradationConfig
from oars.files import write_whole
from oars.generator.codec import Codec
from oars.generator.conditioning import resize
from oars.generator.policy import predict_velocity
from oars.imaging.crops import Pair, training_pair
from oars.imaging.photos import Photo
from oars.precision import compute_dtype

CHECKPOINT_EVERY = 100
EMA_DECAY = 0.995
# (crop side in pixels, batch): about the same number of tokens, so that the model knows more than one size.
SIZES = ((64, 16), (64, 16), (96, 7), (128, 4))
# Scales of the mild tasks: deblur and denoise at 1x would need no generator, so the base learns 2x and 4x.
SCALES = (2, 4, 4)


@dataclass(frozen=True)
class BaseTraining:
    steps: int = 2400
    lr: float = 1e-3
    seed: int = 0
    warmup: int = 50


def mild_batch(photos: list[Photo], codec: Codec, seed: int, step: int) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Latents of GT crops and of their mildly degraded, resized LR: both float32 [B, N, C]; and the grid."""
    rng = np.random.default_rng(derive_seed("mild", seed, step))
    side, batch = SIZES[rng.integers(len(SIZES))]
    pairs = [_mild_pair(photos, side, int(rng.choice(SCALES)), seed, step * 64 + index) for index in range(batch)]
    return *encode_pairs(pairs, codec), codec.grid(side, side)


def _mild_pair(photos: list[Photo], side: int, scale: int, seed: int, index: int) -> Pair:
    data = DataConfig(scale=scale, crop=side, degradation=DegradationConfig.mild())
    return training_pair(photos, data, seed, index)


def encode_pairs(pairs: list[Pair], codec: Codec) -> tuple[Tensor, Tensor]:
    """Latents of the GTs and of the LRs resized to the GT's size: both float32 [B, N, C]."""
    targets = np.stack([pair.gt for pair in pairs if pair.gt is not None])
    height, width = targets.shape[1:3]
    both = codec.encode(np.concatenate([targets, np.stack([resize(pair.lr, height, width) for pair in pairs])]))
    return both[: len(pairs)], both[len(pairs) :]


def train_base(
    transformer: QwenImageTransformer2DModel,
    codec: Codec,
    prompt_bank: Tensor,
    photos: list[Photo],
    work: Path,
    training: BaseTraining,
    progress: Callable[[int, int, float], None],
) -> QwenImageTransformer2DModel:
    """Train, resuming from `work` if a checkpoint is there; returns the moving average of the weights.

    `prompt_bank` [M, L, D] holds the text encoder's answers for M train crops; each sample draws one of them. The
    encoder is random, so what it says of a picture is noise that the transformer must learn to pass over.
    """
    optimiser = torch.optim.AdamW(transformer.parameters(), lr=training.lr, betas=(0.9, 0.99), weight_decay=0.01)
    average = {name: p.detach().clone() for name, p in transformer.named_parameters()}
    start = _restore(work / "base.pt", transformer, optimiser, average)
    for step in range(start, training.steps):
        for group in optimiser.param_groups:
            group["lr"] = training.lr * _schedule(step, training)
        loss = _step(transformer, codec, prompt_bank, photos, training.seed, step)
        torch.nn.utils.clip_grad_norm_(transformer.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        decay = min(EMA_DECAY, (step + 1) / (step + 10))
        for name, parameter in transformer.named_parameters():
            average[name].lerp_(parameter.detach(), 1 - decay)
        progress(step + 1, training.steps, loss)
        if (step + 1) % CHECKPOINT_EVERY == 0:
            _save(work / "base.pt", transformer, optimiser, average, step + 1)
    transformer.load_state_dict(average)
    return transformer


def _step(
    transformer: QwenImageTransformer2DModel,
    codec: Codec,
    prompt_bank: Tensor,
    photos: list[Photo],
    seed: int,
    step: int,
) -> float:
    x0, condition, grid = mild_batch(photos, codec, seed, step)
    generator = torch.Generator().manual_seed(derive_seed("flow", seed, step))
    noise = torch.randn(x0.shape, generator=generator)
    t = _logit_normal_times(len(x0), generator)
    prompts = prompt_bank[torch.randint(len(prompt_bank), (len(x0),), generator=generator)]
    conditioning = [Conditioning(prompt, latents, grid) for prompt, latents in zip(prompts, condition, strict=True)]
    v = predict_velocity(transformer, interpolate(x0, noise, t), t, conditioning, compute_dtype("native"))
    loss = flow_matching_loss(v, x0, noise).mean()
    loss.backward()
    return loss.item()


def _logit_normal_times(count: int, generator: torch.Generator) -> Tensor:
    """Logit-normal(0, 1), as Stable Diffusion 3 draws them."""
    return torch.sigmoid(torch.randn(count, generator=generator))


def _schedule(step: int, training: BaseTraining) -> float:
    """Linear warm-up, then a cosine to 2 %."""
    warm = min(1.0, (step + 1) / training.warmup)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / training.steps)))


def _restore(
    path: Path, transformer: QwenImageTransformer2DModel, optimiser: torch.optim.Optimizer, average: dict[str, Tensor]
) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
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
