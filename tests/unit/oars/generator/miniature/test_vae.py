"""Refining the decoder of the miniature's VAE: better pictures from the same latents."""

from collections.abc import Callable

import pytest
import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor

from oars.generator.miniature.decoder import refine_decoder
from oars.generator.miniature.vae import build_vae, decode_unclamped, encode_mean, train_vae

SIDE, BATCH, STEPS = 32, 4, 30


def crops(step: int) -> Tensor:
    """Soft blobs and hard edges, float32 [4, 3, 32, 32]."""
    generator = torch.Generator().manual_seed(step)
    coarse = torch.rand(BATCH, 3, 8, 8, generator=generator) * 2 - 1
    soft = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic").clamp(-1, 1)
    hard = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="nearest")
    return torch.cat([soft[: BATCH // 2], hard[BATCH // 2 :]])


def silent(step: int, steps: int, loss: float) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLQwenImage:
    torch.manual_seed(0)
    vae = build_vae(base_dim=8, z_dim=16)
    train_vae(vae, crops, STEPS, silent)
    return vae


@torch.no_grad()
def error(vae: AutoencoderKLQwenImage, pixels: Tensor) -> float:
    return float((decode_unclamped(vae, encode_mean(vae, pixels)) - pixels).square().mean())


def refined(vae: AutoencoderKLQwenImage, steps: int, hear: Callable[[int, int, float], None]) -> AutoencoderKLQwenImage:
    again = build_vae(base_dim=8, z_dim=16)
    again.load_state_dict(vae.state_dict())
    refine_decoder(again, crops, steps, hear)
    return again


def test_the_same_latents_give_better_pictures(vae: AutoencoderKLQwenImage) -> None:
    better, pixels = refined(vae, 60, silent), crops(1000)
    with torch.no_grad():
        torch.testing.assert_close(encode_mean(better, pixels), encode_mean(vae, pixels), rtol=0, atol=0)
    assert error(better, pixels) < 0.8 * error(vae, pixels)


def test_the_whole_decoder_makes_what_its_parts_were_trained_to_make(vae: AutoencoderKLQwenImage) -> None:
    """The last loss is the branches', in whose training latents carry a little noise."""
    losses: list[float] = []
    better = refined(vae, 20, lambda step, steps, loss: losses.append(loss))
    assert len(losses) == 40
    pixels = torch.cat([crops(step) for step in range(20)])
    assert error(better, pixels) < 1.2 * losses[-1] + 1e-4


def test_branches_take_from_what_a_linear_decoder_leaves(vae: AutoencoderKLQwenImage) -> None:
    better, pixels = refined(vae, 60, silent), torch.cat([crops(step) for step in range(1000, 1008)])
    with_branches = error(better, pixels)
    for block in better.decoder.up_blocks[-1].resnets:
        torch.nn.init.zeros_(block.conv2.weight), torch.nn.init.zeros_(block.conv2.bias)
    assert with_branches < 0.95 * error(better, pixels)
