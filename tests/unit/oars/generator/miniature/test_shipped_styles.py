"""The shipped base follows the styles of its noise: one forward pass at t = 1 for a wary and a trusting noise."""

import numpy as np
import pytest
import torch

from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.miniature.build import miniature_config
from oars.generator.miniature.styles import COARSE, style_codes
from oars.generator.policy import load_pipeline, predict_velocity
from oars.generator.pre_restoration import resize
from oars.imaging.perturbations import blurred
from oars.seeds import seeded_noise

pytestmark = pytest.mark.unit


def with_trust(noise: torch.Tensor, code: float) -> torch.Tensor:
    """The same noise [B, N, C] but for its second code."""
    shift = (code - style_codes(noise)[:, 1]) / noise.shape[1] ** 0.5
    moved = noise.clone()
    moved[..., 4:8] += shift[:, None, None] * torch.tensor([0.5, -0.5, -0.5, 0.5])
    return moved


@torch.no_grad()
def test_trusting_noise_leads_nearer_to_what_is_coarse_in_the_lr() -> None:
    """A picture of blocks, which a restorer changes much."""
    config = miniature_config()
    pipeline = load_pipeline(config)
    codec = Codec(pipeline.vae)
    lr = np.kron(np.random.default_rng(0).integers(40, 216, (6, 6, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    shown = Conditioner(pipeline, config, codec).condition(lr, 96, 96)
    noise = torch.stack([seeded_noise(shown.shape, "shipped styles", k) for k in range(3)])
    both = torch.cat([with_trust(noise, code) for code in (-1.5, 1.5)])
    v = predict_velocity(pipeline.transformer.float(), both, torch.ones(6), [shown] * 6, torch.float32)
    away = codec.decode(both - v, shown.grid).astype(np.float32) - resize(lr, 96, 96)
    wary, trusting = np.array([np.abs(blurred(each, COARSE)).mean() for each in away]).reshape(2, 3)
    assert (wary > 1.5 * trusting).all()
