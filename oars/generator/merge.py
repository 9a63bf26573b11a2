"""Weights with a LoRA's delta in them: the aligned model's, wherever the LoRA was trained, and those of an SFT by LoRA.

Invariant: every adapted layer gets scale * B @ A with scale = alpha / rank, and no other weight changes.
"""

from collections.abc import Mapping

import torch
from diffusers import ModelMixin
from torch import Tensor

from oars.alignment.messages import PolicySnapshot
from oars.config import LoraConfig

_A, _B = ".lora_A.weight", ".lora_B.weight"


class AdapterMismatch(RuntimeError):
    """An adapter did not bind to the model tensor by tensor, or is not the one that was announced."""


def lora_deltas(snapshot: PolicySnapshot, lora: LoraConfig) -> dict[str, Tensor]:
    """Weight name in the plain transformer -> float32 delta of its shape."""
    layers = sorted(name.removesuffix(_A) for name in snapshot.tensors if name.endswith(_A))
    scale = lora.alpha / lora.rank
    return {
        f"{layer}.weight": scale * snapshot.tensors[layer + _B].float() @ snapshot.tensors[layer + _A].float()
        for layer in layers
    }


@torch.no_grad()
def add_delta(transformer: ModelMixin, snapshot: PolicySnapshot, lora: LoraConfig) -> ModelMixin:
    """Add the adapter's delta to `transformer` in place, each sum in float32; return it. Raises AdapterMismatch unless
    all of it binds."""
    weights = dict(transformer.named_parameters())
    deltas = lora_deltas(snapshot, lora)
    if not deltas or not deltas.keys() <= weights.keys():
        unknown = next(iter(deltas.keys() - weights.keys()), "no adapter tensors")
        raise AdapterMismatch(f"cannot merge version {snapshot.version}: {unknown}")
    for name, delta in deltas.items():
        weights[name].copy_(weights[name].float() + delta.to(weights[name].device))
    return transformer


@torch.no_grad()
def merged_weights(tensors: Mapping[str, Tensor], adapter: str, lora: LoraConfig) -> dict[str, Tensor]:
    """Weights of a transformer with peft layers, by their names without them; the adapter's delta added in float32.

    `tensors` holds each adapted layer whole. A layer without the adapter comes out as it is.
    """
    marker, merged = ".base_layer", {}
    for name, tensor in tensors.items():
        if ".lora_A." in name or ".lora_B." in name:
            continue
        layer = name.partition(marker)[0]
        down, up = (tensors.get(f"{layer}.lora_{side}.{adapter}.weight") for side in "AB")
        if name.endswith(f"{marker}.weight") and down is not None and up is not None:
            tensor = tensor.float() + lora.alpha / lora.rank * up.float() @ down.float()
        merged[name.replace(marker, "")] = tensor
    return merged
