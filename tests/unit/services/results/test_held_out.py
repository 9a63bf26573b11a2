"""The base in the held-out table is sampled with its own guidance, the others with the run's."""

import numpy as np
import pytest

from oars.config import GeneratorConfig, RunConfig
from oars.generator.upscaler import Upscaler
from oars.imaging.crops import Pair
from oars.miniature import resolve_model
from services.results.held_out import restore

LR = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
GENERATOR = GeneratorConfig(text_image_area=64 * 64)


def output(of_base: bool, **sampler: float):
    config = RunConfig.model_validate({"sampler": {"inference_steps": 2, **sampler}, "generator": GENERATOR})
    weights = None if of_base else resolve_model("miniature", "generator") / "transformer"
    [image] = restore(config, weights, [Pair("a", LR, None)])
    return image


def test_base_cfg_is_the_bases_alone_and_inference_cfg_the_others() -> None:
    plain = output(of_base=True)
    np.testing.assert_array_equal(output(of_base=False, base_cfg=4.0), plain)
    guided = output(of_base=True, base_cfg=4.0)
    assert (guided != plain).any()
    np.testing.assert_array_equal(output(of_base=False, inference_cfg=4.0), guided)


def test_crops_are_sampled_in_batches_as_each_would_be_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, sizes = [Pair(name, np.roll(LR, k, 0), None) for k, name in enumerate("abc")], []
    sample_batch = Upscaler.sample_batch

    def counted(self: Upscaler, lrs: list[np.ndarray], scale: int, seeds: list[int]) -> list[np.ndarray]:
        sizes.append(len(lrs))
        return sample_batch(self, lrs, scale, seeds)

    monkeypatch.setattr(Upscaler, "sample_batch", counted)

    def outputs(batch: int) -> np.ndarray:
        sampler = {"inference_steps": 2, "batch": batch}
        exact = GENERATOR.model_copy(update={"dtype": "float32"})
        config = RunConfig.model_validate({"sampler": sampler, "generator": exact})
        return np.stack(list(restore(config, None, pairs))).astype(int)

    alone, together = outputs(1), outputs(2)
    assert sizes == [1, 1, 1, 2, 1]
    assert np.abs(together - alone).max() <= 1, "apart from rounding"
