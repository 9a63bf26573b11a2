"""Numbers of parameters, from headers alone."""

from pathlib import Path

import pytest
from diffusers import FluxKontextPipeline

from oars.compass.training.parameters import load_trainable
from oars.config import RunConfig
from oars.config.judge_training import JudgeTrainingConfig
from oars.generator.miniature.tiny_flux import build_tiny_flux
from oars.miniature import miniature_path
from oars.model_sizes import judge_trained, model_sizes, weight_shapes


def test_every_text_encoder_of_a_pipeline_counts(tmp_path: Path) -> None:
    directory = build_tiny_flux(tmp_path / "flux")
    pipeline = FluxKontextPipeline.from_pretrained(directory)
    sizes = model_sizes(RunConfig.model_validate({"generator": {"path": str(directory)}}))
    assert sizes.text_encoder == pipeline.text_encoder.num_parameters() + pipeline.text_encoder_2.num_parameters()
    assert sizes.transformer == pipeline.transformer.num_parameters()


@pytest.mark.parametrize("trained", ["all", "frozen_vision", "lora"])
def test_what_a_judges_training_learns_is_counted(trained: str) -> None:
    config = JudgeTrainingConfig.model_validate({"trained": trained})
    model = load_trainable(miniature_path("judge"), config)
    learned = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert judge_trained(weight_shapes(miniature_path("judge")), config) == learned
