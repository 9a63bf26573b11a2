"""The base's training: its resume and its devices."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageEditPlusPipeline, QwenImageTransformer2DModel

from oars.generator.miniature.base import _backward, train_base
from oars.generator.miniature.build import build_base
from oars.generator.miniature.pipeline import build_transformer
from oars.generator.miniature.pool import Pictures
from oars.generator.miniature.recipe import BaseTraining
from oars.generator.miniature.text_encoder import HIDDEN
from oars.generator.miniature.tiny import build_tiny
from oars.generator.miniature.vae import SkeletonCodec, build_vae

pytestmark = pytest.mark.unit

SHORT = BaseTraining(steps=4, batch=2, warmup=2, checkpoint_every=3)


@pytest.fixture(scope="module")
def pool() -> Pictures:
    return Pictures(*np.random.default_rng(0).integers(0, 256, (2, 5, 64, 64, 3), np.uint8))


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


def test_a_resumed_training_ends_as_an_unbroken_one(
    vae: AutoencoderKLQwenImage, pool: Pictures, tmp_path: Path
) -> None:
    training = replace(SHORT, steps=12, checkpoint_every=9)
    whole = trained(vae, pool, tmp_path / "whole", training)
    with pytest.raises(KeyboardInterrupt):
        trained(vae, pool, tmp_path / "broken", training, stop_at=10)
    resumed = trained(vae, pool, tmp_path / "broken", training)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_a_pipeline_s_transformer_is_trained_in_place(pool: Pictures, tmp_path: Path) -> None:
    """With what its own text encoder says of both condition pictures."""
    pipeline = QwenImageEditPlusPipeline.from_pretrained(build_tiny(tmp_path / "tiny"))
    before = {name: weight.clone() for name, weight in pipeline.transformer.state_dict().items()}
    build_base(pipeline, pool, tmp_path, lambda *_: None, replace(SHORT, steps=2), style_head=True)
    after = pipeline.transformer.state_dict()
    assert any(not torch.equal(weight, after[name]) for name, weight in before.items())


class DrawnElsewhere:
    """Stands for a generator of a device that this machine lacks: draws have to name the generator's device."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = device

    def manual_seed(self, seed: int) -> "DrawnElsewhere":
        return self


def test_a_step_stays_on_the_device_of_the_weights(
    vae: AutoencoderKLQwenImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On `meta`, which mixes with no other device."""
    for name in ("rand", "randn", "randint"):
        draw = getattr(torch, name)
        monkeypatch.setattr(torch, name, lambda *size, generator, device="cpu", draw=draw: draw(*size, device=device))
    monkeypatch.setattr(torch, "Generator", DrawnElsewhere)
    monkeypatch.setattr("oars.generator.policy.computing_in", lambda *_: nullcontext())
    codec, transformer = SkeletonCodec(vae), build_transformer(vae, seed=0, layers=1, heads=2, head_dim=32)
    vae.to("meta"), transformer.to("meta")
    pictures = Pictures(*np.zeros((2, 2, 64, 64, 3), np.uint8))
    assert _backward(transformer, codec, torch.empty(2, 3, HIDDEN, device="meta"), pictures, 0, 0).is_meta
    assert all(p.grad is None or p.grad.is_meta for p in transformer.parameters())
