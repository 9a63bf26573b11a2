"""The generator on a CUDA device draws the picture that it draws on the CPU."""

import numpy as np
import pytest
import torch
from cuda_device import DEVICE, MIB, peak_bytes, scene

from oars.alignment.training_points import training_point
from oars.config import GeneratorConfig, ObjectiveConfig, SamplerConfig
from oars.config.base import Precision
from oars.generator.miniature.build import TEXT_IMAGE_AREA
from oars.generator.policy import load_pipeline, load_transformer
from oars.generator.upscaler import Upscaler
from oars.metrics.pixel import psnr
from oars.seeds import seeded_noise

LR, SCALE, SEED = scene(0, 32), 4, 7


def upscaler(device: str, dtype: Precision = "float32") -> Upscaler:
    config = GeneratorConfig(text_image_area=TEXT_IMAGE_AREA, dtype=dtype)
    sampler = SamplerConfig(inference_steps=12, tile=128, overlap=32)
    with pytest.MonkeyPatch.context() as patch:
        if device == "cpu":
            patch.setattr(torch.cuda, "is_available", lambda: False)
        made = Upscaler(load_pipeline(config), load_transformer(config), config, sampler)
    assert made.codec.vae.device.type == device
    return made


@pytest.fixture(scope="module")
def ours() -> Upscaler:
    return upscaler(DEVICE)


@pytest.fixture(scope="module")
def reference() -> Upscaler:
    return upscaler("cpu")


def test_the_same_seed_draws_the_same_picture_as_on_the_cpu(ours: Upscaler, reference: Upscaler) -> None:
    drawn, expected = ours.sample(LR, SCALE, SEED), reference.sample(LR, SCALE, SEED)
    agreement, apart = psnr(drawn, expected), psnr(ours.sample(LR, SCALE, SEED + 1), expected)
    print(f"float32, device against CPU: {agreement:.1f} dB; another seed: {apart:.1f} dB")
    assert drawn.shape == (128, 128, 3)
    assert agreement > 45 and agreement > apart + 10


def test_the_same_seed_draws_the_same_bytes_again(ours: Upscaler) -> None:
    assert np.array_equal(ours.sample(LR, SCALE, SEED), ours.sample(LR, SCALE, SEED))


def test_bfloat16_stays_near_float32(ours: Upscaler) -> None:
    half = upscaler(DEVICE, "bfloat16").sample(LR, SCALE, SEED)
    agreement = psnr(half, ours.sample(LR, SCALE, SEED))
    print(f"bfloat16 against float32 on the device: {agreement:.1f} dB")
    assert agreement > 40


def test_any_size_goes_through_in_tiles(ours: Upscaler, reference: Upscaler) -> None:
    lr = scene(1, 48)[:40]
    drawn, expected = (one.upscale(lr, SCALE, SEED, lambda: None) for one in (ours, reference))
    print(f"tiled: {psnr(drawn, expected):.1f} dB")
    assert drawn.shape == (160, 192, 3)
    assert psnr(drawn, expected) > 45


def test_a_batch_is_its_pictures(ours: Upscaler) -> None:
    lrs, seeds = [scene(i, 32) for i in range(4)], [3, 4, 5, 6]
    together = ours.sample_batch(lrs, SCALE, seeds)
    for lr, seed, drawn in zip(lrs, seeds, together, strict=True):
        assert psnr(drawn, ours.sample(lr, SCALE, seed)) > 45


def test_a_training_point_is_the_same_to_the_bit() -> None:
    """A rollout worker makes them where its model is, the learner on the CPU."""
    x0, times = seeded_noise((3, 64, 16), "x0"), torch.rand(3, generator=torch.Generator().manual_seed(0))
    for k in range(3):
        made = training_point(x0[k].to(DEVICE), times[k], 1, k, 0, ObjectiveConfig()).cpu()
        assert torch.equal(made, training_point(x0[k], times[k], 1, k, 0, ObjectiveConfig()))


def test_memory_follows_the_batch(ours: Upscaler) -> None:
    def peak(count: int) -> float:
        lrs = [LR] * count
        return peak_bytes(DEVICE, lambda: ours.sample_batch(lrs, SCALE, list(range(count)))) / MIB

    peak(1)
    one, eight = peak(1), peak(8)
    print(f"peak memory: {one:.0f} MiB for one picture, {eight:.0f} MiB for eight")
    assert one < eight
