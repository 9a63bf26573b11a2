"""The base's training: its data for any number of workers, its resume, its batches, and its devices."""

from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from PIL import Image

from oars.generator.miniature.base import _backward, train_base
from oars.generator.miniature.batches import SIZES, training_pictures
from oars.generator.miniature.pipeline import build_transformer
from oars.generator.miniature.recipe import BaseTraining
from oars.generator.miniature.text_encoder import HIDDEN
from oars.generator.miniature.vae import SkeletonCodec, build_vae
from oars.imaging.photo import Photo

pytestmark = pytest.mark.unit

SHORT = BaseTraining(steps=4, warmup=2, checkpoint_every=3)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(3)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (300, 280, 3), np.uint8)).save(path)
    return [Photo(path.name, path, 2) for path in paths]


@pytest.fixture
def vae() -> AutoencoderKLQwenImage:
    torch.manual_seed(0)
    return build_vae(base_dim=8, z_dim=4)


def trained(
    vae: AutoencoderKLQwenImage, photos: list[Photo], work: Path, training: BaseTraining, stop_at: int | None = None
) -> QwenImageTransformer2DModel:
    """The transformer after its training; interrupted by KeyboardInterrupt when step `stop_at` is reported."""
    torch.set_num_threads(1)
    transformer = build_transformer(vae, seed=0, layers=1, heads=2, head_dim=32)

    def progress(step: int, steps: int, loss: float) -> None:
        assert np.isfinite(loss) and steps == training.steps
        if step == stop_at:
            raise KeyboardInterrupt

    bank = torch.randn(2, 3, HIDDEN, generator=torch.Generator().manual_seed(0))
    return train_base(transformer, SkeletonCodec(vae), bank, photos, work, training, progress)


def test_any_number_of_workers_makes_the_same_pictures(photos: list[Photo]) -> None:
    none, two = (list(training_pictures(photos, replace(SHORT, workers=n), 0)) for n in (0, 2))
    assert len(none) == len(two) == SHORT.steps
    for mine, theirs in zip(none, two, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_a_later_start_sees_what_those_steps_see(photos: list[Photo]) -> None:
    training = replace(SHORT, steps=5, repeats=2)
    whole, late = list(training_pictures(photos, training, 0)), list(training_pictures(photos, training, 3))
    assert len(whole) == 5 and len(late) == 2
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(whole[3:], late, strict=True))


def test_repeats_turn_the_same_pictures(photos: list[Photo]) -> None:
    (gt, lr), (again, lr_again) = training_pictures(photos, replace(SHORT, steps=2, repeats=2), 0)
    assert np.array_equal(np.rot90(gt, 1, (1, 2)), again) and np.array_equal(np.rot90(lr, 1, (1, 2)), lr_again)


def test_the_factor_multiplies_the_batch_and_no_crop_comes_twice(photos: list[Photo]) -> None:
    single, triple = (list(islice(training_pictures(photos, replace(SHORT, batch_factor=n), 0), 3)) for n in (1, 3))
    sizes = dict(SIZES)
    for (one, _), (three, _) in zip(single, triple, strict=True):
        assert len(one) == sizes[one.shape[1]] and len(three) == 3 * len(one)
    crops = [crop.tobytes() for gt, _ in triple for crop in gt]
    assert len(set(crops)) == len(crops)


def test_a_resumed_training_ends_as_an_unbroken_one(
    vae: AutoencoderKLQwenImage, photos: list[Photo], tmp_path: Path
) -> None:
    training = replace(SHORT, steps=12, checkpoint_every=9, repeats=2)
    whole = trained(vae, photos, tmp_path / "whole", training)
    with pytest.raises(KeyboardInterrupt):
        trained(vae, photos, tmp_path / "broken", training, stop_at=10)
    resumed = trained(vae, photos, tmp_path / "broken", training)
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
    assert _backward(transformer, codec, torch.empty(2, 3, HIDDEN, device="meta"), pictures, 0, 0).is_meta
    assert all(p.grad is None or p.grad.is_meta for p in transformer.parameters())
