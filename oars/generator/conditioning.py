"""Conditioning on the LR image: its VAE latents at the output size, and the text encoder's view of it.

Both depend on the LR alone and are computed once a group. The LR is brought to the output size before it enters the
editor (paper), by a resize or by a pre-restoring network. Text and picture go through the pipeline's own
`encode_prompt`. Invariant: the text encoder numbers the positions of picture tokens by row and column.
"""

from typing import Any

import numpy as np
import torch
from diffusers import QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import calculate_dimensions
from numpy.typing import NDArray
from PIL import Image
from transformers import Qwen2_5_VLForConditionalGeneration

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig
from oars.generator.codec import Codec
from oars.generator.pre_restoration import PreRestorer


def mark_picture_tokens(text_encoder: Qwen2_5_VLForConditionalGeneration) -> None:
    """Give each forward pass with pixels the token types that multimodal positions are computed from.

    transformers 5 counts 0, 1, 2 ... through a picture unless it gets `mm_token_type_ids`, which diffusers does not
    pass; no error says so, and the embeddings are others than the generator was trained with.
    """
    text_encoder.register_forward_pre_hook(_with_token_types, with_kwargs=True)


def _with_token_types(
    text_encoder: Qwen2_5_VLForConditionalGeneration, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if kwargs.get("pixel_values") is None or kwargs.get("mm_token_type_ids") is not None:
        return args, kwargs
    picture = kwargs["input_ids"] == text_encoder.config.image_token_id
    return args, kwargs | {"mm_token_type_ids": picture.int()}


class Conditioner:
    """Computes `Conditioning` with the pipeline's text encoder and processor."""

    def __init__(self, pipeline: QwenImageEditPlusPipeline, config: GeneratorConfig, codec: Codec) -> None:
        mark_picture_tokens(pipeline.text_encoder)
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
        embeds, _ = self._pipeline.encode_prompt(
            prompt=self._config.prompt if prompt is None else prompt,
            image=[self._text_view(picture)],
            device=self._pipeline.text_encoder.device,
        )
        return Conditioning(embeds[0].float().cpu(), self._codec.encode(picture[None])[0].cpu(), grid)

    def _text_view(self, picture: NDArray[np.uint8]) -> Image.Image:
        height, width = picture.shape[:2]
        text_width, text_height = calculate_dimensions(self._config.text_image_area, width / height)
        return self._pipeline.image_processor.resize(Image.fromarray(picture), text_height, text_width)
