import numpy as np
import torch

from oars.compass.miniature.pooled_head import PooledHead
from oars.compass.training.examples import Batch

GROUPS, CANDIDATES, TOKENS, CHANNELS = 3, 2, 4, 6


def batch(quality: np.ndarray, fidelity: float = 0.5) -> Batch:
    return Batch(
        np.zeros((GROUPS, 1 + CANDIDATES, 8, 8, 3), np.uint8),
        quality.astype(np.float32),
        np.full((GROUPS, CANDIDATES), fidelity, np.float32),
        np.full((GROUPS, CANDIDATES), ""),
        np.empty((GROUPS, 0, 8, 8, 3), np.uint8),
        np.empty((GROUPS, 0, 2), np.float32),
    )


def test_an_unlabelled_fidelity_teaches_nothing():
    head, quality = PooledHead(CHANNELS, seed=0), np.full((GROUPS, 1 + CANDIDATES), 2.0)
    head.loss(torch.ones(GROUPS, 1 + CANDIDATES, TOKENS, CHANNELS), batch(quality, np.nan)).backward()
    assert all(p.grad is None or not p.grad.any() for p in head.fidelity.parameters())
    assert head.quality.weight.grad is not None and head.quality.weight.grad.any()


def test_a_wrong_order_within_a_group_costs_more_than_a_wrong_level():
    """The same squared error of Q, once as a shift of all candidates and once against their order."""
    head, quality = PooledHead(CHANNELS, seed=0), np.full((GROUPS, 1 + CANDIDATES), 3.0)
    for parameter in head.quality.parameters():
        torch.nn.init.zeros_(parameter)  # it tells 3 of every picture
    tokens = torch.ones(GROUPS, 1 + CANDIDATES, TOKENS, CHANNELS)
    level, order = quality.copy(), quality.copy()
    level[:, 1:] += 1
    order[:, 1:] += [1, -1]
    assert head.loss(tokens, batch(order)).item() > head.loss(tokens, batch(level)).item() + 1
