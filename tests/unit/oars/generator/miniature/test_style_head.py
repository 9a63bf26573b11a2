"""The head that is set by hand: what it reads, and that it looks at its own picture alone."""

import pytest
import torch
from diffusers import QwenImageTransformer2DModel

from oars.alignment.messages import Conditioning
from oars.generator.miniature.pipeline import build_transformer
from oars.generator.miniature.style_head import set_style_head
from oars.generator.miniature.styles import style_codes
from oars.generator.miniature.text_encoder import HIDDEN
from oars.generator.miniature.vae import build_vae
from oars.generator.policy import predict_velocity

pytestmark = pytest.mark.unit

GRID = (6, 6)


@pytest.fixture
def transformer() -> QwenImageTransformer2DModel:
    torch.manual_seed(0)
    return build_transformer(build_vae(base_dim=8, z_dim=4), seed=0, layers=1, heads=2, head_dim=32)


def samples(count: int, seed: int) -> tuple[torch.Tensor, list[Conditioning]]:
    """Noise, and conditioning with two pictures of noise."""
    torch.manual_seed(seed)
    prompt, pictures = torch.randn(3, HIDDEN), torch.randn(count, 2 * 36, 16)
    return torch.randn(count, 36, 16), [Conditioning(prompt, picture, GRID) for picture in pictures]


@torch.no_grad()
def written(transformer: QwenImageTransformer2DModel, x: torch.Tensor, shown: list[Conditioning]) -> torch.Tensor:
    """Of each sample and hidden dimension, what the first block's attention writes on average over its tokens."""
    seen: list[torch.Tensor] = []
    layer = transformer.transformer_blocks[0].attn.to_out[0]
    with layer.register_forward_hook(lambda _, __, made: seen.append(made[:, :36])):
        predict_velocity(transformer, x, torch.ones(len(x)), shown, torch.float32)
    return seen[0].mean(1)


def test_attention_writes_the_codes_of_noise_that_it_was_not_set_with(
    transformer: QwenImageTransformer2DModel,
) -> None:
    noise, shown = samples(24, 0)
    set_style_head(transformer, torch.zeros_like(noise), noise, torch.linspace(0.5, 1, 24), shown)
    fresh, shown = samples(64, 1)
    made = written(transformer, fresh, shown)
    together = torch.corrcoef(torch.cat([style_codes(fresh), made], dim=1).T)[:3, 3:].abs()
    assert (together.max(1).values > 0.9).all(), "each code has a dimension of its own"
    assert len(set(together.argmax(1).tolist())) == 3
