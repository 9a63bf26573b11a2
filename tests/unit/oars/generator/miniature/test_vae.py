"""Refining the decoder of the miniature's VAE: better pictures from the same latents."""

from collections.abc import Callable

import pytest
import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor

from oars.generator.miniature.branches import decode_frame, decoder_blocks, visible_error
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


def test_the_whole_decoder_makes_what_its_branches_were_trained_to_make(vae: AutoencoderKLQwenImage) -> None:
    losses: list[float] = []
    better, pixels = refined(vae, 20, lambda step, steps, loss: losses.append(loss)), crops(1000)
    assert len(losses) == 40
    with torch.no_grad():
        latents = encode_mean(better, pixels)
        torch.testing.assert_close(decode_frame(better, latents), decode_unclamped(better, latents), rtol=0, atol=1e-4)


def test_branches_take_from_what_a_linear_decoder_leaves(vae: AutoencoderKLQwenImage) -> None:
    better, pixels = refined(vae, 60, silent), torch.cat([crops(step) for step in range(1000, 1008)])
    with_branches = error(better, pixels)
    for block in decoder_blocks(better):
        torch.nn.init.zeros_(block.conv2.weight), torch.nn.init.zeros_(block.conv2.bias)
    assert with_branches < 0.95 * error(better, pixels)


def test_trained_branches_are_trained_on_and_their_skeleton_stays(vae: AutoencoderKLQwenImage) -> None:
    once, heard = refined(vae, 20, silent), list[int]()
    twice = build_vae(base_dim=8, z_dim=16)
    twice.load_state_dict(once.state_dict())
    refine_decoder(twice, crops, 20, lambda step, steps, loss: heard.append(steps))
    assert heard == [20] * 20
    before, after = once.decoder.state_dict(), twice.decoder.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(".conv1." in name or ".conv2." in name or ".norm" in name for name in changed)


def test_an_error_in_a_flat_place_counts_more_than_the_same_among_contrast() -> None:
    wanted = torch.zeros(1, 3, 16, 32)
    wanted[..., 16:] = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    flat, busy = wanted.clone(), wanted.clone()
    flat[..., 4:12, 4:12] += 0.1
    busy[..., 4:12, 20:28] += 0.1
    assert visible_error(flat, wanted) > 5 * visible_error(busy, wanted) > 0
    assert visible_error(wanted, wanted) == 0
