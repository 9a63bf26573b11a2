"""The base's training: its batches, its losses, its resume, and its devices."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel

from oars.generator.miniature.base import _backward, train_base
from oars.generator.miniature.crops import to_signed
from oars.generator.miniature.pipeline import build_transformer
from oars.generator.miniature.pool import Pictures, pooled_pictures
from oars.generator.miniature.recipe import BaseTraining
from oars.generator.miniature.text_encoder import HIDDEN
from oars.generator.miniature.vae import SkeletonCodec, build_vae, make_heads_linear

pytestmark = pytest.mark.unit

SHORT = BaseTraining(steps=4, batch=2, warmup=2, checkpoint_every=3, perceptual_from=0.5)


@pytest.fixture(scope="module")
def pool() -> Pictures:
    gt, restored = np.random.default_rng(0).integers(0, 256, (2, 5, 64, 64, 3), np.uint8)
    return gt, restored


@pytest.fixture
def vae() -> AutoencoderKLQwenImage:
    torch.manual_seed(0)
    return build_vae(base_dim=8, z_dim=4)


def trained(
    vae: AutoencoderKLQwenImage, pool: Pictures, work: Path, training: BaseTraining, stop_at: int | None = None
) -> QwenImageTransformer2DModel:
    """The transformer after its training; interrupted by KeyboardInterrupt when step `stop_at` is reported."""
    torch.set_num_threads(1)
    transformer = build_transformer(vae, seed=0, layers=1, heads=2, head_dim=32)

    def progress(step: int, steps: int, loss: float) -> None:
        assert np.isfinite(loss) and steps == training.steps
        if step == stop_at:
            raise KeyboardInterrupt

    bank = torch.randn(2, 3, HIDDEN, generator=torch.Generator().manual_seed(0))
    return train_base(transformer, SkeletonCodec(vae), bank, pool, work, training, progress)


def test_a_later_start_sees_what_those_steps_see(pool: Pictures) -> None:
    whole, late = (list(pooled_pictures(pool, 2, 0, range(start, 5))) for start in (0, 3))
    assert all(np.array_equal(a, b) for a, b in zip(whole[3], late[0], strict=True))
    assert not np.array_equal(whole[2][0], whole[3][0])


def test_a_pair_is_turned_and_mirrored_together(pool: Pictures) -> None:
    same = (pool[0], pool[0])
    for gt, restored in pooled_pictures(same, 4, 0, range(3)):
        assert np.array_equal(gt, restored)


def test_the_perceptual_loss_joins_late() -> None:
    assert [SHORT.perceptual_at(step) > 0 for step in range(4)] == [False, False, True, True]


def test_the_decoded_estimate_is_the_codec_s_picture(vae: AutoencoderKLQwenImage) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), np.uint8)
    make_heads_linear(vae, to_signed(torch.from_numpy(photo)))
    codec = SkeletonCodec(vae)
    latents = codec.encode(photo)
    signed = codec.decode_signed(latents, codec.grid(32, 32))
    levels = ((signed + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(levels - codec.decode(latents, codec.grid(32, 32))).max() <= 1


def test_a_resumed_training_ends_as_an_unbroken_one(
    vae: AutoencoderKLQwenImage, pool: Pictures, tmp_path: Path
) -> None:
    training = replace(SHORT, steps=12, checkpoint_every=9, perceptual_weight=0.0)
    whole = trained(vae, pool, tmp_path / "whole", training)
    with pytest.raises(KeyboardInterrupt):
        trained(vae, pool, tmp_path / "broken", training, stop_at=10)
    resumed = trained(vae, pool, tmp_path / "broken", training)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


class DrawnElsewhere:
    """Stands for a generator of a device that this machine lacks: draws have to name the generator's device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def manual_seed(self, seed: int) -> "DrawnElsewhere":
        return self


def test_a_step_stays_on_the_device_of_the_weights(
    vae: AutoencoderKLQwenImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On `meta`, which mixes with no other device."""
    for name in ("rand", "randn", "randint"):
        draw = getattr(torch, name)
        monkeypatch.setattr(torch, name, lambda *size, generator, device, draw=draw: draw(*size, device=device))
    monkeypatch.setattr(torch, "Generator", DrawnElsewhere)
    monkeypatch.setattr("oars.generator.policy.computing_in", lambda *_: nullcontext())
    codec, transformer = SkeletonCodec(vae), build_transformer(vae, seed=0, layers=1, heads=2, head_dim=32)
    vae.to("meta"), transformer.to("meta")
    pictures = (np.zeros((2, 64, 64, 3), np.uint8),) * 2
    assert _backward(transformer, codec, torch.empty(2, 3, HIDDEN, device="meta"), pictures, SHORT, 0).is_meta
    assert all(p.grad is None or p.grad.is_meta for p in transformer.parameters())
