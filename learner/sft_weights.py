"""A transformer under training as a diffusers directory, written block by block.

Invariant: at most one layer is whole on a rank's device at a time, whatever ZeRO-3 partitions; rank 0 merges the cold
start's adapter, and writes each block in a file of its own.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import QwenImageTransformer2DModel
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from torch import Tensor, nn

from learner.engine import Engine, barrier
from oars.config import LoraConfig
from oars.files import begin_directory, partial_directory, publish_directory
from oars.generator.merge import merged_weights
from oars.generator.parts import named_parts

ADAPTER = "sft"
"""Name of the adapter that a cold start by LoRA trains."""
_FILE = "diffusion_pytorch_model"


def save_sft_weights(
    engine: Engine,
    transformer: QwenImageTransformer2DModel,
    path: Path,
    dtype: torch.dtype,
    lora: LoraConfig,
    rank: int,
) -> None:
    """`path`, whole or not at all, its weights in `dtype`. Collective."""
    aside, parts, size = partial_directory(path), list(named_parts(transformer)), 0
    weight_map: dict[str, str] = {}
    if rank == 0:
        transformer.save_config(begin_directory(path))
    for number, (prefix, part) in enumerate(parts, start=1):
        weights: dict[str, Tensor] = {}
        for name, layer in _layers(prefix, part):
            with engine.whole(layer.parameters()):
                if rank == 0:
                    tensors = {full: p.detach() for full, p in layer.named_parameters(name)}
                    weights |= _at_rest(merged_weights(tensors, ADAPTER, lora), dtype)
        if rank == 0:
            file = f"{_FILE}-{number:05d}-of-{len(parts):05d}.safetensors"
            save_file(weights, aside / file, metadata={"format": "pt"})
            weight_map |= dict.fromkeys(weights, file)
            size += sum(w.nbytes for w in weights.values())
    if rank == 0:
        index = {"metadata": {"total_size": size}, "weight_map": weight_map}
        (aside / f"{_FILE}.safetensors.index.json").write_text(json.dumps(index, indent=1))
        publish_directory(path)
    barrier()


def _layers(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules with parameters of their own, an adapted layer with its adapters as one; together every parameter
    once."""
    if isinstance(module, BaseTunerLayer) or any(True for _ in module.parameters(recurse=False)):
        yield name, module
        return
    for child_name, child in module.named_children():
        yield from _layers(f"{name}.{child_name}", child)


def _at_rest(weights: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: weight.to("cpu", dtype, copy=True) for name, weight in weights.items()}
