"""Qwen-Image-Edit-2509 (`QwenImageEditPlusPipeline`): a vision-language text encoder, which sees the picture, too.

Invariant: the text encoder numbers the positions of picture tokens by row and column.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageEditPlusPipeline, QwenImageTransformer2DModel
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import calculate_dimensions
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig


class QwenEditPlus:
    """`Family`."""

    pipeline_class = QwenImageEditPlusPipeline
    transformer_class = QwenImageTransformer2DModel
    vae_class = AutoencoderKLQwenImage
    encoders = ("text_encoder",)
    restore_script = Path(__file__).with_name("restore_qwen_edit_plus.py")
    most_pictures = 3
    comfyui_prefix = "diffusion_model."

    def prepare(self, pipeline: QwenImageEditPlusPipeline) -> None:
        mark_picture_tokens(pipeline.text_encoder)

    def embed(
        self,
        pipeline: QwenImageEditPlusPipeline,
        pictures: list[NDArray[np.uint8]],
        prompt: str,
        config: GeneratorConfig,
    ) -> Tensor:
        """The hidden states of the prompt with the pictures, which are shown at `text_image_area`."""
        height, width = pictures[0].shape[:2]
        text_width, text_height = calculate_dimensions(config.text_image_area, width / height)
        views = [pipeline.image_processor.resize(Image.fromarray(each), text_height, text_width) for each in pictures]
        embeds, _ = pipeline.encode_prompt(prompt=prompt, image=views, device=pipeline.text_encoder.device)
        hidden: Tensor = embeds[0]
        return hidden

    def embedding_shape(self, transformer: Any) -> tuple[int, int]:
        return 4, int(transformer.config.joint_attention_dim)

    def inputs(self, transformer: Any, x_t: Tensor, t: Tensor, conditioning: list[Conditioning]) -> dict[str, Any]:
        prompt = torch.stack([c.prompt_embeds for c in conditioning]).to(x_t)
        grid = (1, *conditioning[0].grid)
        return {
            "encoder_hidden_states": prompt,
            "encoder_hidden_states_mask": None,
            "img_shapes": [[grid] * (1 + conditioning[0].pictures)] * len(x_t),
        }

    def downsampling(self, vae: AutoencoderKLQwenImage) -> int:
        return int(2 ** len(vae.temperal_downsample))

    def latent_channels(self, vae: AutoencoderKLQwenImage) -> int:
        return int(vae.config.z_dim)

    def normalised(self, vae: AutoencoderKLQwenImage, latents: Tensor) -> Tensor:
        mean, deviation = _statistics(vae, latents)
        return (latents - mean) / deviation

    def denormalised(self, vae: AutoencoderKLQwenImage, latents: Tensor) -> Tensor:
        mean, deviation = _statistics(vae, latents)
        return latents / (1.0 / deviation) + mean

    def posterior_mean(self, vae: AutoencoderKLQwenImage, pixels: Tensor) -> Tensor:
        mode: Tensor = vae.encode(pixels.unsqueeze(2)).latent_dist.mode()
        return mode

    def decode(self, vae: AutoencoderKLQwenImage, latents: Tensor) -> Tensor:
        pixels: Tensor = vae.decode(latents, return_dict=False)[0][:, :, 0]
        return pixels


QWEN_EDIT_PLUS = QwenEditPlus()


def _statistics(vae: AutoencoderKLQwenImage, latents: Tensor) -> list[Tensor]:
    """Mean and deviation of each channel, [1, z, 1, 1, 1] each."""
    return [latents.new_tensor(s).view(1, -1, 1, 1, 1) for s in (vae.config.latents_mean, vae.config.latents_std)]


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
