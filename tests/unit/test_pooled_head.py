import numpy as np
import torch

from oars.compass.judge_examples import Batch
from oars.compass.pooled_head import PooledHead
from oars.metrics.perceptual import TRUNK_STATISTICS

GROUPS, CANDIDATES, TOKENS, CHANNELS = 3, 2, 4, 6


def batch(fidelity: float = 0.5) -> Batch:
    rng = np.random.default_rng(0)
    return Batch(
        rng.integers(0, 256, (GROUPS, 1 + CANDIDATES, 64, 64, 3), np.uint8),
        rng.uniform(1, 5, (GROUPS, 1 + CANDIDATES)).astype(np.float32),
        np.full((GROUPS, CANDIDATES), fidelity, np.float32),
        np.full((GROUPS, CANDIDATES), ""),
    )


def test_the_scale_makes_the_trunk_of_the_pictures_it_was_taken_from_unit():
    shown, head = batch(), PooledHead(CHANNELS, seed=0)
    head.standardise(shown.views.reshape(-1, 64, 64, 3))
    told = head._trunk(shown).flatten(0, 1)
    assert told.shape == (GROUPS * (1 + CANDIDATES), TRUNK_STATISTICS)
    seen = head.deviations > 1e-4  # of a channel that no picture excites there is nothing to tell
    assert told[:, seen].mean(0).abs().max() < 1e-3 and torch.allclose(told[:, seen].std(0), torch.ones(()), atol=0.01)


def test_what_the_trunk_sees_reaches_the_tower_only_if_it_is_asked_for():
    shown, head = batch(), PooledHead(CHANNELS, seed=0)
    head.standardise(shown.views.reshape(-1, 64, 64, 3))
    head.trunk.requires_grad_(False)

    def gradient(weight: float) -> torch.Tensor:
        tokens = torch.ones(GROUPS, 1 + CANDIDATES, TOKENS, CHANNELS, requires_grad=True)
        head.loss(tokens, shown, weight).backward()
        assert tokens.grad is not None
        return tokens.grad

    assert torch.equal(gradient(0), gradient(0)) and not torch.allclose(gradient(0), gradient(1))


def test_an_unlabelled_fidelity_teaches_nothing():
    head = PooledHead(CHANNELS, seed=0)
    head.loss(torch.ones(GROUPS, 1 + CANDIDATES, TOKENS, CHANNELS), batch(np.nan), 0).backward()
    assert all(p.grad is None or not p.grad.any() for p in head.fidelity.parameters())
    assert head.quality.weight.grad is not None and head.quality.weight.grad.any()
