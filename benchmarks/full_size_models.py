"""The full-size models with random weights, built on the GPU in the classes that load the trained ones.

Sizes are those of the published configs: Qwen-Image-Edit-2509's transformer and VAE (the defaults of their diffusers
classes), its text encoder Qwen2.5-VL-7B, and Qwen3-VL-8B. Tokenizers and processors are the miniature's, whose
vocabulary is smaller, but an embedding has the full number of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKLQwenImage, QwenImageEditPlusPipeline, QwenImageTransformer2DModel
from torch import nn
from transformers import (
    PretrainedConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from oars.compass.judge import Judge
from oars.compass.miniature.judge_model import build_processor, build_tokenizer, judge_config
from oars.compass.prompt import NEWEST, Prompts
from oars.config import GeneratorConfig
from oars.generator.policy import load_pipeline

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Sizes:
    """Differences from the defaults of the diffusers classes and from the miniature's configs."""

    transformer: dict[str, Any]
    vae: dict[str, Any]
    encoder_text: dict[str, Any]
    encoder_vision: dict[str, Any]
    judge_text: dict[str, Any]
    judge_vision: dict[str, Any]


FULL = Sizes(
    transformer={},
    vae={},
    encoder_text={
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [16, 24, 24]},
    },
    encoder_vision={
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
    judge_text={
        "vocab_size": 151936,
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5_000_000.0,
            "mrope_section": [24, 20, 20],
            "mrope_interleaved": True,
        },
    },
    judge_vision={
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_heads": 16,
        "patch_size": 16,
        "out_hidden_size": 4096,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [8, 16, 24],
    },
)
SMALL = Sizes(
    transformer={"num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 128, "joint_attention_dim": 64},
    vae={"base_dim": 16, "num_res_blocks": 1},
    encoder_text={},
    encoder_vision={},
    judge_text={},
    judge_vision={},
)
SIZES = {"full": FULL, "small": SMALL}
"""`small` shows on any CUDA device that the measurement runs, before a large one is reserved."""


def build_transformer(sizes: Sizes) -> QwenImageTransformer2DModel:
    return _built(lambda: QwenImageTransformer2DModel(**sizes.transformer))


def build_pipeline(sizes: Sizes) -> QwenImageEditPlusPipeline:
    """The miniature's scheduler, tokenizer and processor with models of these sizes; the VAE float32, as in a run."""
    small = load_pipeline(GeneratorConfig())
    config = Qwen2_5_VLConfig(**with_sizes(small.text_encoder.config, sizes.encoder_text, sizes.encoder_vision))
    return QwenImageEditPlusPipeline(
        scheduler=small.scheduler,
        vae=_built(lambda: AutoencoderKLQwenImage(**sizes.vae), torch.float32),
        text_encoder=_built(lambda: Qwen2_5_VLForConditionalGeneration(config)),
        tokenizer=small.tokenizer,
        processor=small.processor,
        transformer=build_transformer(sizes),
    )


def build_judge(sizes: Sizes) -> Judge:
    tokenizer = build_tokenizer()
    config = Qwen3VLConfig(**with_sizes(judge_config(tokenizer), sizes.judge_text, sizes.judge_vision))
    processor = build_processor(tokenizer)
    processor.image_processor.patch_size = config.vision_config.patch_size
    return Judge(_built(lambda: Qwen3VLForConditionalGeneration(config)), processor, Prompts.of(processor, NEWEST))


def with_sizes(config: PretrainedConfig, text: dict[str, Any], vision: dict[str, Any]) -> dict[str, Any]:
    """The config as a dictionary, with other sizes of its two halves."""
    values = config.to_dict()
    inherited = {name: value for name, value in values["text_config"].items() if name != "layer_types"}  # one a layer
    return {**values, "text_config": inherited | text, "vision_config": values["vision_config"] | vision}


def _built(build: Callable[[], M], dtype: torch.dtype = torch.bfloat16) -> M:
    """Allocate on the GPU in `dtype` from the start: twice the size would not fit."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = build()
    torch.set_default_dtype(usual)
    return model.eval()
