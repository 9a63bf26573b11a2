"""An adapter as a LoRA file of its own, with the keys of diffusers or those of ComfyUI.

Both say the same: scale * B @ A on each adapted layer, scale = alpha / rank. diffusers reads `transformer.<layer>` with
`lora_A` and `lora_B`; the scale is multiplied into B, since a reader without the adapter's settings takes alpha for the
rank. ComfyUI reads the family's prefix and the layer, with `lora_down`, `lora_up` and the layer's own `alpha`.
"""

from pathlib import Path

import torch
from diffusers import ModelMixin
from safetensors.torch import load_file, save_file
from torch import Tensor

from oars.alignment.messages import PolicySnapshot
from oars.config import LoraConfig
from oars.generator.merge import add_delta

_A, _B = ".lora_A.weight", ".lora_B.weight"
_DIFFUSERS = "transformer."


def diffusers_keys(snapshot: PolicySnapshot, lora: LoraConfig) -> dict[str, Tensor]:
    """For `load_lora_weights` of a diffusers pipeline; float32."""
    scale = lora.alpha / lora.rank
    return {
        f"{_DIFFUSERS}{name}": tensor * scale if name.endswith(_B) else tensor
        for name, tensor in snapshot.tensors.items()
    }


def comfyui_keys(snapshot: PolicySnapshot, lora: LoraConfig, prefix: str) -> dict[str, Tensor]:
    """For ComfyUI's LoRA loader; float32. `prefix`: the family's."""
    keys = {}
    for name, tensor in snapshot.tensors.items():
        layer = name.removesuffix(_A).removesuffix(_B)
        side = "down" if name.endswith(_A) else "up"
        keys[f"{prefix}{layer}.lora_{side}.weight"] = tensor
        keys[f"{prefix}{layer}.alpha"] = torch.tensor(float(lora.alpha))
    return keys


def write_lora(
    directory: Path, snapshot: PolicySnapshot, lora: LoraConfig, comfyui_prefix: str, metadata: dict[str, str]
) -> None:
    """`diffusers.safetensors` and `comfyui.safetensors` in a new directory."""
    directory.mkdir()
    files = {"diffusers": diffusers_keys(snapshot, lora), "comfyui": comfyui_keys(snapshot, lora, comfyui_prefix)}
    for name, keys in files.items():
        save_file(keys, directory / f"{name}.safetensors", metadata={"format": "pt"} | metadata)


def add_lora(transformer: ModelMixin, file: Path) -> ModelMixin:
    """Add what a file with diffusers' keys says to `transformer` in place; return it. Raises AdapterMismatch."""
    tensors = {name.removeprefix(_DIFFUSERS): tensor for name, tensor in load_file(file).items()}
    return add_delta(transformer, PolicySnapshot(0, "", tensors), LoraConfig(rank=1, alpha=1))
