"""The base in the held-out table is sampled with its own guidance, the others with the run's."""

import numpy as np

from oars.config import GeneratorConfig, RunConfig
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
