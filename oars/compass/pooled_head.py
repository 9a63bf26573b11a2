"""What reads a new miniature's vision tower while it is prepared, and is thrown away afterwards.

From the means of a picture's visual tokens it tells Q, and what the trunk of ST-LPIPS sees of that picture; from both
pictures' means and their tokens' mean absolute difference, F. A label says one number of a picture; the trunk, trained
on ImageNet and on people's judgements, says thousands, and so teaches a tower what to look at, as pretraining does for
a full-size Qwen3-VL. Ours.
"""

import numpy as np
import torch
from torch import Tensor, nn

from oars.alignment.seeds import derive_seed
from oars.compass.judge_examples import Batch, Pixels
from oars.metrics.perceptual import TRUNK_STATISTICS, trunk_features

_CLIPPED = 4.0
"""Standard deviations beyond which a trunk statistic counts no more: a few channels have long tails."""


class PooledHead(nn.Module):
    """Visual tokens [G, 1 + K, T, C] to Q [G, 1 + K], F [G, K] and trunk statistics [G, 1 + K, S].

    All are in units where what is to be told lies about in [-1, 1].
    """

    means: Tensor
    deviations: Tensor

    def __init__(self, channels: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed("pooled head", seed))
            self.quality = nn.Linear(channels, 1)
            self.fidelity = nn.Sequential(nn.Linear(3 * channels, 128), nn.GELU(), nn.Linear(128, 1))
            self.trunk = nn.Linear(channels, TRUNK_STATISTICS)
        self.register_buffer("means", torch.zeros(TRUNK_STATISTICS))
        self.register_buffer("deviations", torch.ones(TRUNK_STATISTICS))

    def standardise(self, views: Pixels) -> None:
        """Take the scale of the trunk's statistics from these pictures, [N, H, W, 3]."""
        statistics = torch.from_numpy(trunk_features(views))
        self.means.copy_(statistics.mean(0))
        self.deviations.copy_(statistics.std(0).clamp(min=1e-4))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        means = tokens.mean(2)
        difference = (tokens[:, 1:] - tokens[:, :1]).abs().mean(2)
        pairs = torch.cat([means[:, 1:], means[:, :1].expand_as(means[:, 1:]), difference], -1)
        return self.quality(means).squeeze(-1), self.fidelity(pairs).squeeze(-1), self.trunk(means)

    def loss(self, tokens: Tensor, batch: Batch, trunk_weight: float) -> Tensor:
        """Mean squared errors of Q, of Q against its mean in the group, of the labelled F, and of the trunk's
        statistics."""
        told, fidelity, trunk = self(tokens)
        quality = (torch.from_numpy(batch.quality) - 3) / 1.2
        labelled = torch.from_numpy(np.isfinite(batch.fidelity))
        errors = (fidelity - (torch.from_numpy(np.nan_to_num(batch.fidelity)) - 0.4) / 0.35).square() * labelled
        order = (_centred(told) - _centred(quality)).square().mean()
        labels = (told - quality).square().mean() + _ORDER_WEIGHT * order + errors.sum() / labelled.sum().clamp(min=1)
        return labels + trunk_weight * (trunk - self._trunk(batch)).square().mean() if trunk_weight else labels

    def _trunk(self, batch: Batch) -> Tensor:
        """The trunk's statistics of a batch, standardised: [G, 1 + K, S]."""
        statistics = torch.from_numpy(trunk_features(batch.views.reshape(-1, *batch.views.shape[2:])))
        standardised = ((statistics - self.means) / self.deviations).clamp(-_CLIPPED, _CLIPPED)
        return standardised.unflatten(0, batch.views.shape[:2])


_ORDER_WEIGHT = 4.0
"""Differences within a group are what a reward is for, and smaller than those between groups."""


def _centred(quality: Tensor) -> Tensor:
    """[G, 1 + K] -> candidates [G, K] about their group's mean."""
    return quality[:, 1:] - quality[:, 1:].mean(1, keepdim=True)
