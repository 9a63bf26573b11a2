"""Numbers of parameters of a model directory, read from the headers of its safetensors files: no weights are loaded."""

import json
import struct
from math import prod
from pathlib import Path

from oars.config import LoraConfig, RunConfig
from oars.device_memory import Sizes
from oars.miniature import resolve_model


def model_sizes(config: RunConfig) -> Sizes:
    """Sizes of the models that the config names. Raises MissingModel."""
    generator, judge = resolve_model(config.generator.path, "generator"), resolve_model(config.judge.path, "judge")
    shapes = weight_shapes(generator / "transformer")
    text = json.loads((judge / "config.json").read_text())["text_config"]
    return Sizes(
        transformer=_count(shapes),
        text_encoder=_count(weight_shapes(generator / "text_encoder")),
        vae=_count(weight_shapes(generator / "vae")),
        lora=lora_parameters(shapes, config.generator.lora),
        sft_lora=lora_parameters(shapes, config.stages.cold_start.lora),
        judge=_count(weight_shapes(judge)),
        kv_bytes=kv_bytes(text),
    )


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
    """A token's keys and values in bfloat16, from a Qwen3-VL's `text_config`."""
    head = text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]
    return 2 * 2 * text["num_hidden_layers"] * text["num_key_value_heads"] * head


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(prod(shape) for shape in shapes.values())
