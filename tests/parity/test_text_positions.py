"""The text encoder's positions against `get_rope_index`, which numbers a picture's tokens by row and column."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import QwenImageEditPlusPipeline
from PIL import Image
from tiny import SIDE, picture
from torch import Tensor, nn

from oars.config import GeneratorConfig
from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.families.qwen_edit_plus import mark_picture_tokens
from oars.generator.miniature.tiny import build_tiny

PROMPT_AREA = 64 * 64


@pytest.fixture
def pipeline(tmp_path: Path) -> QwenImageEditPlusPipeline:
    return QwenImageEditPlusPipeline.from_pretrained(build_tiny(tmp_path))


@contextmanager
def arguments_of(module: nn.Module) -> Iterator[list[dict[str, Any]]]:
    """Keyword arguments of each call of `module` inside, after its other hooks."""
    calls: list[dict[str, Any]] = []
    hook = module.register_forward_pre_hook(lambda _, args, kwargs: calls.append(kwargs), with_kwargs=True)
    yield calls
    hook.remove()


@contextmanager
def positions_of(pipeline: QwenImageEditPlusPipeline) -> Iterator[list[Tensor]]:
    """What the rotary embedding gets, int [3, 1, L] a call: time, row, column."""
    positions: list[Tensor] = []
    rotary = pipeline.text_encoder.model.language_model.rotary_emb
    hook = rotary.register_forward_pre_hook(
        lambda _, args, kwargs: positions.append(kwargs.get("position_ids", args[-1])), with_kwargs=True
    )
    yield positions
    hook.remove()


@pytest.mark.parametrize("size", [(64, 64), (112, 56)])
def test_positions_are_those_of_get_rope_index(pipeline: QwenImageEditPlusPipeline, size: tuple[int, int]) -> None:
    encoder = pipeline.text_encoder
    mark_picture_tokens(encoder)
    text = "Picture 1: <|vision_start|><|image_pad|><|vision_end|>Restore."
    image = Image.fromarray(picture(0, SIDE)).resize(size)
    inputs = pipeline.processor(text=[text], images=[image], return_tensors="pt")
    expected, _ = encoder.model.get_rope_index(
        inputs["input_ids"],
        image_grid_thw=inputs["image_grid_thw"],
        attention_mask=inputs["attention_mask"],
        mm_token_type_ids=inputs["mm_token_type_ids"],
    )
    given = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")
    with positions_of(pipeline) as positions, torch.no_grad():
        encoder(**{name: inputs[name] for name in given})
    assert not torch.equal(expected[1], expected[2])
    assert torch.equal(positions[0], expected)


def test_a_conditioner_sees_rows_and_columns(pipeline: QwenImageEditPlusPipeline) -> None:
    conditioner = Conditioner(pipeline, GeneratorConfig(text_image_area=PROMPT_AREA), Codec(pipeline.vae))
    with positions_of(pipeline) as positions:
        conditioner.condition(picture(0, SIDE), SIDE, SIDE)
    time, row, column = positions[0][:, 0]
    assert not torch.equal(row, column)
    assert int(time.max()) < len(time) - 1


def test_text_without_a_picture_is_left_alone(pipeline: QwenImageEditPlusPipeline) -> None:
    mark_picture_tokens(pipeline.text_encoder)
    with arguments_of(pipeline.text_encoder) as calls, torch.no_grad():
        pipeline.text_encoder(input_ids=torch.tensor([[1, 2, 3]]))
    assert "mm_token_type_ids" not in calls[0]


def test_the_hook_is_still_needed(pipeline: QwenImageEditPlusPipeline) -> None:
    with arguments_of(pipeline.text_encoder) as calls:
        pipeline.encode_prompt(prompt="Restore.", image=[Image.fromarray(picture(0, SIDE))])
    assert "mm_token_type_ids" not in calls[0], "diffusers now passes mm_token_type_ids: remove mark_picture_tokens"
