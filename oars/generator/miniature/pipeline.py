"""Assembles the miniature `QwenImageEditPlusPipeline` directory in diffusers' own format."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)

from oars.generator.miniature.text_encoder import HIDDEN, build_processor, build_text_encoder, build_tokenizer

# Qwen-Image's own flow schedule.
SCHEDULER = {
    "base_image_seq_len": 256,
    "base_shift": 0.5,
    "max_image_seq_len": 8192,
    "max_shift": 0.9,
    "num_train_timesteps": 1000,
    "shift": 1.0,
    "shift_terminal": 0.02,
    "time_shift_type": "exponential",
    "use_dynamic_shifting": True,
}


def build_transformer(
    vae: AutoencoderKLQwenImage, seed: int, layers: int = 4, heads: int = 4, head_dim: int = 64
) -> QwenImageTransformer2DModel:
    torch.manual_seed(seed)
    channels = 4 * vae.config.z_dim
    return QwenImageTransformer2DModel(
        in_channels=channels,
        out_channels=vae.config.z_dim,
        num_layers=layers,
        num_attention_heads=heads,
        attention_head_dim=head_dim,
        joint_attention_dim=HIDDEN,
        axes_dims_rope=(head_dim // 8, head_dim * 7 // 16, head_dim * 7 // 16),
    )


def assemble(
    tokenizer_files: Path, vae: AutoencoderKLQwenImage, transformer: QwenImageTransformer2DModel, prompt: str, seed: int
) -> QwenImageEditPlusPipeline:
    """Put the parts together; the tokenizer is learnt from the pipeline's template around `prompt`."""
    # The template is an attribute of the pipeline's instances, and an instance needs a tokenizer.
    template = QwenImageEditPlusPipeline(None, vae, None, None, None, None).prompt_template_encode
    tokenizer = build_tokenizer(tokenizer_files, [template.format(f"Picture 1: {prompt}")])
    return QwenImageEditPlusPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**SCHEDULER),
        vae=vae,
        text_encoder=build_text_encoder(tokenizer, seed),
        tokenizer=tokenizer,
        processor=build_processor(tokenizer),
        transformer=transformer,
    )
