"""A temporary head on a new miniature's vision tower, discarded after the preparation. It predicts Q from the mean of a
picture's visual tokens, and F from both pictures' means and the mean absolute difference of their tokens. Ours."""

import numpy as np
import torch
from torch import Tensor, nn

from oars.compass.training.examples import Batch
from oars.seeds import derive_seed

_ORDER_WEIGHT = 4.0
"""Differences within a group are what a reward is for, and smaller than those between groups."""


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

    def loss(self, tokens: Tensor, batch: Batch) -> Tensor:
        """Mean squared errors of Q, of the candidates' Q about their group's mean, and of the labelled F."""
        told, fidelity = self(tokens)
        quality = (torch.from_numpy(batch.quality) - 3) / 1.2
        labelled = torch.from_numpy(np.isfinite(batch.fidelity))
        errors = (fidelity - (torch.from_numpy(np.nan_to_num(batch.fidelity)) - 0.4) / 0.35).square() * labelled
        order = (_centred(told) - _centred(quality)).square().mean()
        return (told - quality).square().mean() + _ORDER_WEIGHT * order + errors.sum() / labelled.sum().clamp(min=1)


def _centred(quality: Tensor) -> Tensor:
    """[G, 1 + K] -> candidates [G, K] about their group's mean."""
    return quality[:, 1:] - quality[:, 1:].mean(1, keepdim=True)
