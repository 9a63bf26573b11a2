"""The keys of an exported LoRA, as the two loaders look for them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import fresh_snapshot, tiny_config

from oars.alignment.messages import PolicySnapshot
from oars.config import LoraConfig
from oars.generator.families import family_in
from oars.generator.lora_files import comfyui_keys, diffusers_keys, write_lora
from oars.generator.miniature.tiny import build_tiny
from oars.generator.miniature.tiny_flux import build_tiny_flux

LORA = LoraConfig(rank=2, alpha=6)
LAYER = "transformer_blocks.0.attn.to_out.0"


def one_layer() -> PolicySnapshot:
    return PolicySnapshot(
        0, "", {f"{LAYER}.lora_A.weight": torch.randn(2, 5), f"{LAYER}.lora_B.weight": torch.randn(4, 2)}
    )


def test_both_files_say_the_same_update() -> None:
    snapshot = one_layer()
    theirs = diffusers_keys(snapshot, LORA)
    assert set(theirs) == {f"transformer.{LAYER}.lora_A.weight", f"transformer.{LAYER}.lora_B.weight"}
    comfy = comfyui_keys(snapshot, LORA, "diffusion_model.")
    assert set(comfy) == {f"diffusion_model.{LAYER}.{end}" for end in ("lora_down.weight", "lora_up.weight", "alpha")}
    down, up, alpha = (
        comfy[f"diffusion_model.{LAYER}.{end}"] for end in ("lora_down.weight", "lora_up.weight", "alpha")
    )
    update = alpha.item() / len(down) * up @ down  # as ComfyUI scales it
    torch.testing.assert_close(
        update, theirs[f"transformer.{LAYER}.lora_B.weight"] @ theirs[f"transformer.{LAYER}.lora_A.weight"]
    )


QWEN = {
    "diffusion_model.transformer_blocks.0.attn.to_q",
    "diffusion_model.transformer_blocks.0.attn.to_k",
    "diffusion_model.transformer_blocks.0.attn.to_v",
    "diffusion_model.transformer_blocks.0.attn.to_out.0",
    "diffusion_model.transformer_blocks.0.attn.add_q_proj",
    "diffusion_model.transformer_blocks.0.attn.add_k_proj",
    "diffusion_model.transformer_blocks.0.attn.add_v_proj",
    "diffusion_model.transformer_blocks.0.attn.to_add_out",
}
"""ComfyUI's `QwenImageTransformer2DModel` has diffusers' layers; every weight is mapped under `diffusion_model.`."""
FLUX = {
    "transformer.transformer_blocks.0.attn.to_q",
    "transformer.transformer_blocks.0.attn.to_k",
    "transformer.transformer_blocks.0.attn.to_v",
    "transformer.transformer_blocks.0.attn.to_out.0",
    "transformer.transformer_blocks.0.attn.add_q_proj",
    "transformer.transformer_blocks.0.attn.add_k_proj",
    "transformer.transformer_blocks.0.attn.add_v_proj",
    "transformer.transformer_blocks.0.attn.to_add_out",
    "transformer.single_transformer_blocks.0.attn.to_q",
    "transformer.single_transformer_blocks.0.attn.to_k",
    "transformer.single_transformer_blocks.0.attn.to_v",
}
"""ComfyUI's Flux has fused layers of other names; diffusers' are mapped to parts of them under `transformer.`."""


@pytest.mark.parametrize(("build", "layers"), [(build_tiny, QWEN), (build_tiny_flux, FLUX)])
def test_comfyui_finds_every_layer_of_each_family(
    build: Callable[[Path], Path], layers: set[str], tmp_path: Path
) -> None:
    base = build(tmp_path / "base")
    config = tiny_config(base)
    write_lora(tmp_path / "lora", fresh_snapshot(config), config.generator.lora, family_in(base).comfyui_prefix, {})
    keys = load_file(tmp_path / "lora" / "comfyui.safetensors")
    ends = ("lora_down.weight", "lora_up.weight", "alpha")
    first = {key for key in keys if "blocks.0." in key}
    assert first == {f"{layer}.{end}" for layer in layers for end in ends}
