"""Numbers of parameters, from headers alone."""

from pathlib import Path

from diffusers import FluxKontextPipeline

from oars.config import RunConfig
from oars.generator.miniature.tiny_flux import build_tiny_flux
from oars.model_sizes import model_sizes


def test_every_text_encoder_of_a_pipeline_counts(tmp_path: Path) -> None:
    directory = build_tiny_flux(tmp_path / "flux")
    pipeline = FluxKontextPipeline.from_pretrained(directory)
    sizes = model_sizes(RunConfig.model_validate({"generator": {"path": str(directory)}}))
    assert sizes.text_encoder == pipeline.text_encoder.num_parameters() + pipeline.text_encoder_2.num_parameters()
    assert sizes.transformer == pipeline.transformer.num_parameters()
