"""The aligned model: the LoRA delta added to the SFT weights, wherever it was trained (paper: on the base).

Invariant: every adapted layer gets scale * B @ A with scale = alpha / rank, and no other weight changes.
"""

import torch
from diffusers import QwenImageTransformer2DModel
from torch import Tensor

from oars.alignment.messages import PolicySnapshot
from oars.config import LoraConfig
from oars.generator.policy import AdapterMismatch

_A, _B = ".lora_A.weight", ".lora_B.weight"


def lora_deltas(snapshot: PolicySnapshot, lora: LoraConfig) -> dict[str, Tensor]:
    """Weight name in the plain transformer -> float32 delta of its shape."""
    layers = sorted(name.removesuffix(_A) for name in snapshot.tensors if name.endswith(_A))
    scale = lora.alpha / lora.rank
    return {
        f"{layer}.weight": scale * snapshot.tensors[layer + _B].float() @ snapshot.tensors[layer + _A].float()
        for layer in layers
    }


@torch.no_grad()
def add_delta(
    transformer: QwenImageTransformer2DModel, snapshot: PolicySnapshot, lora: LoraConfig
) -> QwenImageTransformer2DModel:
    """Add the adapter's delta to `transformer` in place; return it. Raises AdapterMismatch unless all of it binds."""
    weights = dict(transformer.named_parameters())
    deltas = lora_deltas(snapshot, lora)
    if not deltas or not deltas.keys() <= weights.keys():
        unknown = next(iter(deltas.keys() - weights.keys()), "no adapter tensors")
        raise AdapterMismatch(f"cannot merge version {snapshot.version}: {unknown}")
    for name, delta in deltas.items():
        weights[name].add_(delta.to(weights[name]))
    return transformer
