"""First stage of the miniature judge's training: the vision tower alone, read by a small head that is thrown away.

Through the text model a gradient for quality reaches an untrained vision tower too faintly to beat the noise. A head on
the tokens' means passes it on directly and costs no text tokens. It predicts Q of every picture, and F of every
transition from both pictures' means and their tokens' mean absolute difference. Ours.
"""

import math
from collections.abc import Callable

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.alignment.seeds import derive_seed
from oars.compass.judge_batches import Batch
from oars.compass.judge_forward import encode_pictures
from oars.config.judge_training import JudgeTrainingConfig


class PooledHead(nn.Module):
    """Visual tokens [G, 1 + K, T, C] to Q [G, 1 + K] and F [G, K], both in units where labels lie about in [-1, 1]."""

    def __init__(self, channels: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed("pooled head", seed))
            self.quality = nn.Linear(channels, 1)
            self.fidelity = nn.Sequential(nn.Linear(3 * channels, 128), nn.GELU(), nn.Linear(128, 1))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        means = tokens.mean(2)
        difference = (tokens[:, 1:] - tokens[:, :1]).abs().mean(2)
        pairs = torch.cat([means[:, 1:], means[:, :1].expand_as(means[:, 1:]), difference], -1)
        return self.quality(means).squeeze(-1), self.fidelity(pairs).squeeze(-1)


def pretrain_vision(
    model: Qwen3VLForConditionalGeneration,
    processor: Qwen3VLProcessor,
    batches: Callable[[int], Batch],
    seed: int,
    config: JudgeTrainingConfig,
    progress: bool = True,
) -> None:
    """Train the vision tower in place for `config.vision_steps`; `batches` gives the batch of a step."""
    visual = model.model.visual
    head = PooledHead(visual.config.out_hidden_size * (1 + len(visual.config.deepstack_visual_indexes)), seed)
    groups = [
        {"params": visual.parameters(), "peak": config.vision_learning_rate},
        {"params": head.parameters(), "peak": config.pooled_learning_rate},
    ]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, config.beta2), weight_decay=config.vision_weight_decay)
    for step in track(range(config.vision_steps), "pretraining the judge's vision", disable=not progress):
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / 50)
            group["lr"] = group["peak"] * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * step / config.vision_steps)))
        loss = pooled_loss(model, processor, head, batches(step))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(visual.parameters(), config.clip)
        optimiser.step()


def pooled_loss(
    model: Qwen3VLForConditionalGeneration, processor: Qwen3VLProcessor, head: PooledHead, batch: Batch
) -> Tensor:
    """Mean squared errors of Q and F."""
    with torch.autocast("cpu", torch.bfloat16):
        encoded = encode_pictures(model, processor, batch.views.reshape(-1, *batch.views.shape[2:]))
        tokens = torch.cat([encoded.tokens, *encoded.deepstack], -1).unflatten(0, batch.views.shape[:2])
        quality, fidelity = head(tokens)
    return F.mse_loss(quality.float(), (batch.quality - 3) / 1.2) + F.mse_loss(
        fidelity.float(), (batch.fidelity - 0.4) / 0.35
    )
