"""Conditioning on the LR image: its VAE latents at the output size, and the text encoder's view of it.

Both depend on the LR alone and are computed once a group. The LR is brought to the output size before it enters the
editor (paper), by a resize or by a pre-restoring network. Text and picture go through the pipeline's own
`encode_prompt`.
"""

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig
from oars.generator.codec import Codec
from oars.generator.families import family_of
from oars.generator.pre_restoration import PreRestorer


class Conditioner:
    """Computes `Conditioning` with the pipeline's text encoder and processor."""

    def __init__(self, pipeline: DiffusionPipeline, config: GeneratorConfig, codec: Codec) -> None:
        self._family = family_of(pipeline)
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
        picture = self._restorer.restore([lr], height, width)[0]
        prompt = self._config.prompt if prompt is None else prompt
        embeds = self._family.embed(self._pipeline, picture, prompt, self._config)
        return Conditioning(embeds.float().cpu(), self._codec.encode(picture[None]).cpu()[0], grid)
