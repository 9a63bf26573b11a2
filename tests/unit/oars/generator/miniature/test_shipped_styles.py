"""The shipped base follows the styles of its noise: one forward pass at t = 1 for a timid and a bold noise."""

import numpy as np
import pytest
import torch

from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.miniature.build import miniature_config
from oars.generator.miniature.styles import style_codes
from oars.generator.policy import load_pipeline, predict_velocity
from oars.generator.pre_restoration import resize
from oars.seeds import seeded_noise

pytestmark = pytest.mark.unit


def with_timidity(noise: torch.Tensor, code: float) -> torch.Tensor:
    """The same noise [B, N, C] but for its first code."""
    shift = (code - style_codes(noise)[:, 0]) / noise.shape[1] ** 0.5
    moved = noise.clone()
    moved[..., :4] += shift[:, None, None] * torch.tensor([0.5, -0.5, -0.5, 0.5])
    return moved


@torch.no_grad()
def test_bold_noise_leads_further_from_the_lr_than_timid_noise() -> None:
    """A picture of blocks, which a restorer changes much."""
    config = miniature_config()
    pipeline = load_pipeline(config)
    codec = Codec(pipeline.vae)
    lr = np.kron(np.random.default_rng(0).integers(40, 216, (6, 6, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    shown = Conditioner(pipeline, config, codec).condition(lr, 96, 96)
    noise = torch.stack([seeded_noise(shown.shape, "shipped styles", k) for k in range(3)])
    both = torch.cat([with_timidity(noise, code) for code in (-1.5, 1.5)])
    v = predict_velocity(pipeline.transformer.float(), both, torch.ones(6), [shown] * 6, torch.float32)
    pictures = codec.decode(both - v, shown.grid).astype(float)
    bold, timid = np.abs(pictures - resize(lr, 96, 96)).mean((1, 2, 3)).reshape(2, 3)
    assert (bold > 1.2 * timid).all()
