"""Conditioning on the LR image: its VAE latents at the output size, and the text encoder's view of it.

Both depend on the LR alone and are computed once a group. The LR is brought to the output size before it enters the
editor (paper), by a resize, by a pre-restoring network, or by both, as two pictures (ours). Text and pictures go
through the pipeline's own `encode_prompt`.
"""

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig
from oars.generator.codec import Codec
from oars.generator.families import check_pictures, family_of
from oars.generator.pre_restoration import PreRestorer, resize


class Conditioner:
    """Computes `Conditioning` with the pipeline's text encoder and processor. Raises TooManyPictures, MissingNetwork
    when made."""

    def __init__(self, pipeline: DiffusionPipeline, config: GeneratorConfig, codec: Codec) -> None:
        self._family = family_of(pipeline)
        check_pictures(self._family, config)
        self._family.prepare(pipeline)
        self._pipeline = pipeline
        self._config = config
        self._codec = codec
        self._restorer = PreRestorer(config.pre_restoration, config.dtype)

    @torch.no_grad()
    def condition(self, lr: NDArray[np.uint8], height: int, width: int, prompt: str | None = None) -> Conditioning:
        """`lr` uint8 [h, w, 3]; output of height x width pixels, multiples of a token. `prompt` is the config's unless
        given."""
        grid = self._codec.grid(height, width)
        pictures = self._restorer.restore([lr], height, width)
        if self._config.show_lr:
            pictures.append(resize(lr, height, width))
        prompt = self._config.prompt if prompt is None else prompt
        embeds = self._family.embed(self._pipeline, pictures, prompt, self._config)
        # One after the other, as the pipelines do it: a batch gives other last bits.
        latents = torch.cat([self._codec.encode(picture[None])[0] for picture in pictures])
        return Conditioning(embeds.float().cpu(), latents.cpu(), grid)
