"""Numbers of parameters of a model directory, read from the headers of its safetensors files: no weights are loaded."""

import json
import struct
from math import prod
from pathlib import Path

from oars.config import LoraConfig, RunConfig
from oars.config.judge_training import JudgeTrainingConfig
from oars.device_memory import Sizes
from oars.miniature import resolve_model


def model_sizes(config: RunConfig, training: JudgeTrainingConfig | None = None) -> Sizes:
    """Sizes of the models that the config names; of a judge elsewhere, which need not be here, 0. `training` of
    `stages.refresh`. Raises MissingModel."""
    generator = resolve_model(config.generator.path, "generator")
    shapes = weight_shapes(generator / "transformer")
    judge, token, refreshed = _judge_sizes(config, training)
    return Sizes(
        transformer=_count(shapes),
        text_encoder=sum(_count(weight_shapes(encoder)) for encoder in sorted(generator.glob("text_encoder*"))),
        vae=_count(weight_shapes(generator / "vae")),
        lora=lora_parameters(shapes, config.generator.lora),
        sft_lora=lora_parameters(shapes, config.stages.cold_start.lora),
        judge=judge,
        kv_bytes=token,
        refreshed=refreshed,
    )


def _judge_sizes(config: RunConfig, training: JudgeTrainingConfig | None) -> tuple[int, int, int]:
    """Parameters, bytes of a token's keys and values, and parameters that are trained."""
    if config.reward.endpoint:
        return 0, 0, 0
    directory = resolve_model(config.judge.path, "judge")
    settings = json.loads((directory / "config.json").read_text())
    shapes, token = weight_shapes(directory), kv_bytes(settings.get("text_config", settings))
    return _count(shapes), token, judge_trained(shapes, training) if training else 0


def judge_trained(shapes: dict[str, tuple[int, ...]], training: JudgeTrainingConfig) -> int:
    """Parameters that a judge's training learns."""
    if training.trained == "lora":
        return lora_parameters(shapes, training.lora)
    return _count({n: shape for n, shape in shapes.items() if training.trained == "all" or ".visual." not in n})


def weight_shapes(directory: Path) -> dict[str, tuple[int, ...]]:
    """Weight name -> shape, over all safetensors files of a directory."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(directory.glob("*.safetensors")):
        with path.open("rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        shapes |= {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    return shapes


def lora_parameters(shapes: dict[str, tuple[int, ...]], lora: LoraConfig) -> int:
    """Parameters of one adapter on the matrices that its targets name."""
    suffixes = tuple(f".{target}.weight" for target in lora.targets)
    return sum(lora.rank * sum(shape) for name, shape in shapes.items() if name.endswith(suffixes))


def kv_bytes(text: dict[str, int]) -> int:
    """A token's keys and values in bfloat16, from a language model's config."""
    heads = text["num_attention_heads"]
    head = text.get("head_dim") or text["hidden_size"] // heads
    return 2 * 2 * text["num_hidden_layers"] * text.get("num_key_value_heads", heads) * head


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(prod(shape) for shape in shapes.values())
