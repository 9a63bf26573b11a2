"""The published shapes of the full-size models, on the meta device, through what touches names and shapes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import QwenImageTransformer2DModel
from safetensors.torch import save_file
from torch import nn
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from benchmarks.full_size_models import FULL, with_sizes
from oars.compass.miniature.judge_model import build_tokenizer, judge_config
from oars.config import LoraConfig
from oars.generator.flags import UnknownFlag, check_flags
from oars.generator.merge import merged_weights
from oars.generator.parts import named_parts
from oars.generator.policy import add_adapter
from oars.model_sizes import kv_bytes, lora_parameters, weight_shapes

LORA = LoraConfig()
# The config.json of Qwen-Image-Edit-2509's transformer, and what -2511 has beside it.
PUBLISHED = {
    "_class_name": "QwenImageTransformer2DModel",
    "attention_head_dim": 128,
    "axes_dims_rope": [16, 56, 56],
    "guidance_embeds": False,
    "in_channels": 64,
    "joint_attention_dim": 3584,
    "num_attention_heads": 24,
    "num_layers": 60,
    "out_channels": 16,
    "patch_size": 2,
}
VARIANTS: dict[str, dict[str, Any]] = {"2509": PUBLISHED, "2511": PUBLISHED | {"zero_cond_t": True}}


def on_meta(config: dict[str, Any]) -> QwenImageTransformer2DModel:
    with torch.device("meta"):
        return QwenImageTransformer2DModel.from_config(config)


@pytest.fixture(params=VARIANTS)
def transformer(request: pytest.FixtureRequest) -> QwenImageTransformer2DModel:
    return on_meta(VARIANTS[request.param])


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in module.named_parameters()}


def test_the_transformer_has_the_published_size_in_sixty_blocks(transformer: QwenImageTransformer2DModel) -> None:
    assert sum(p.numel() for p in transformer.parameters()) == 20_430_401_088
    parts = dict(named_parts(transformer))
    assert sum(name.startswith("transformer_blocks.") for name in parts) == 60
    held = [id(p) for part in parts.values() for p in part.parameters()]
    assert sorted(held) == sorted(id(p) for p in transformer.parameters())


def test_an_adapter_binds_to_480_matrices_and_merges_back_to_plain_names(
    transformer: QwenImageTransformer2DModel,
) -> None:
    plain = shapes_of(transformer)
    with torch.device("meta"):
        add_adapter(transformer, LORA, "sft", seed=0)
    adapted = dict(transformer.named_parameters())
    sizes = [p.numel() for name, p in adapted.items() if ".sft." in name]
    assert len(sizes) == 2 * 480
    assert sum(sizes) == lora_parameters(plain, LORA) == 94_371_840
    assert {name: tuple(w.shape) for name, w in merged_weights(adapted, "sft", LORA).items()} == plain


def test_the_judge_has_the_published_size() -> None:
    config = Qwen3VLConfig(**with_sizes(judge_config(build_tokenizer()), FULL.judge_text, FULL.judge_vision))
    with torch.device("meta"):
        judge = Qwen3VLForConditionalGeneration(config)
    assert sum(p.numel() for p in judge.parameters()) == pytest.approx(8.77e9, rel=0.002)
    assert kv_bytes(config.text_config.to_dict()) == 147_456


def test_shapes_are_read_from_every_file_of_a_directory(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(3, 5), "b": torch.zeros(7, dtype=torch.bfloat16)}
    for name, tensor in tensors.items():
        save_file({name: tensor}, tmp_path / f"{name}.safetensors", metadata={"format": "pt"})
    assert weight_shapes(tmp_path) == {"a": (3, 5), "b": (7,)}


def test_a_flag_that_diffusers_does_not_know_is_an_error(tmp_path: Path) -> None:
    for variant in VARIANTS.values():
        (tmp_path / "config.json").write_text(json.dumps(variant))
        check_flags(tmp_path, QwenImageTransformer2DModel)
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED | {"zero_cond_s": True}))
    with pytest.raises(UnknownFlag, match="zero_cond_s is unknown"):
        check_flags(tmp_path, QwenImageTransformer2DModel)
