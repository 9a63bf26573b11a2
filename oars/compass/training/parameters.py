"""Selects the parameters of a judge that learn and their rates, and writes the judge.

The adapter is injected into the model's own layers (peft), so the model stays the class that it is; writing folds it
into the weights that it adapts and leaves the model in training as it is.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.config.judge_training import JudgeTrainingConfig
from oars.precision import compute_dtype
from oars.seeds import derive_seed

_ADAPTER = "default"


def choose_trained(model: Qwen3VLForConditionalGeneration, config: JudgeTrainingConfig) -> None:
    """Inject the adapter if there is to be one, and set `requires_grad` of every parameter."""
    if config.trained == "lora":
        _inject(model, config)
        return
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(config.trained == "all" or not _is_vision(name))


def _inject(model: Qwen3VLForConditionalGeneration, config: JudgeTrainingConfig) -> None:
    lora = LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        target_modules=list(config.lora.targets),
        init_lora_weights=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("judge adapter", config.seed))
        inject_adapter_in_model(lora, model, _ADAPTER)


def rates(model: nn.Module, config: JudgeTrainingConfig) -> dict[nn.Parameter, float]:
    """Peak learning rate of each parameter that learns, in the model's order."""
    return {parameter: _rate(name, config) for name, parameter in model.named_parameters() if parameter.requires_grad}


def _rate(name: str, config: JudgeTrainingConfig) -> float:
    if _is_vision(name):
        return config.optimiser.vision_learning_rate
    return config.optimiser.output_learning_rate if "lm_head" in name else config.optimiser.learning_rate


def _is_vision(name: str) -> bool:
    return ".visual." in name


def write_judge(
    model: Qwen3VLForConditionalGeneration, processor: Qwen3VLProcessor, path: Path, dtype: torch.dtype
) -> None:
    """A directory in plain transformers format, which vLLM loads unchanged: weights as `dtype`, processor, configs."""
    weights = {name: tensor.detach().to(dtype) for name, tensor in _merged(model)}
    with torch.device("meta"):
        plain = Qwen3VLForConditionalGeneration(model.config).to(dtype)
    plain.generation_config = model.generation_config
    plain.load_state_dict(weights, assign=True)
    plain.save_pretrained(path)
    processor.save_pretrained(path)


def _merged(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The state dict of the plain class: adapters folded in, under the names without them."""
    adapted = {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    for name, tensor in model.state_dict().items():
        if ".lora_" in name:
            continue
        owner = name.rsplit(".base_layer.", 1)[0]
        if owner in adapted and name.endswith(".weight"):
            tensor = tensor + adapted[owner].get_delta_weight(_ADAPTER)
        yield name.replace(".base_layer.", "."), tensor


def load_trainable(path: Path, config: JudgeTrainingConfig) -> Qwen3VLForConditionalGeneration:
    """The judge of a directory, float32 where it learns and in the config's dtype where it rests."""
    model = Qwen3VLForConditionalGeneration.from_pretrained(
        path,
        dtype=torch.float32,
        local_files_only=True,
        # The backward pass of torch's fused attention takes longer than its parts on a CPU.
        attn_implementation="sdpa" if torch.cuda.is_available() else "eager",
    )
    model.model.visual.patch_embed.proj.__class__ = _PatchProjection
    choose_trained(model, config)
    for parameter in model.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(compute_dtype(config.dtype))
    return model


class _PatchProjection(nn.Conv3d):
    """A convolution whose input [N, C, T, P, P] is one patch a row: as a matrix product it takes a fraction of the time
    on a CPU, where it was a quarter of a training step."""

    def forward(self, patches: Tensor) -> Tensor:
        return F.linear(patches.flatten(1), self.weight.flatten(1), self.bias)
