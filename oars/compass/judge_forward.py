"""One forward pass of the judge over many prompts that share pictures.

Each picture goes through the vision tower once, however many prompts show it: a group's K transition prompts and its
input prompt show the LR K + 1 times. All pictures of a call have one size, so prompts need no padding. The logits are
those of `Qwen3VLForConditionalGeneration.forward` on the processor's own output (a parity test holds it to that).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from oars.compass.prompt import IMAGE


@dataclass(frozen=True)
class Pictures:
    """N encoded pictures of one size: visual tokens [N, T, C], deepstack tokens [layers, N, T, C], grid (t, h, w)."""

    tokens: Tensor
    deepstack: Tensor
    grid: Tensor


def encode_pictures(
    model: Qwen3VLForConditionalGeneration, processor: Qwen3VLProcessor, images: NDArray[np.uint8]
) -> Pictures:
    """Vision tower over images uint8 [N, H, W, 3]."""
    channels_first = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    inputs = processor.image_processor(images=list(channels_first), return_tensors="pt").to(model.device)
    grid = inputs["image_grid_thw"]
    features = model.model.get_image_features(inputs["pixel_values"], grid, return_dict=True)
    count = len(images)
    tokens = torch.cat(list(features.pooler_output)).unflatten(0, (count, -1))
    layers = [_joined(layer).unflatten(0, (count, -1)) for layer in features.deepstack_features]
    return Pictures(tokens, torch.stack(layers), grid[0])


def _joined(layer: Tensor | tuple[Tensor, ...]) -> Tensor:
    return layer if isinstance(layer, Tensor) else torch.cat(list(layer))


def last_logits(
    model: Qwen3VLForConditionalGeneration,
    processor: Qwen3VLProcessor,
    prompt: str,
    pictures: Pictures,
    shown: Tensor,
) -> Tensor:
    """Logits [B, vocabulary] of the first answer position of B copies of `prompt`; `shown` as in `answer_states`."""
    logits: Tensor = model.lm_head(answer_states(model, processor, prompt, pictures, shown)[:, 0])
    return logits


def answer_states(
    model: Qwen3VLForConditionalGeneration,
    processor: Qwen3VLProcessor,
    prompt: str,
    pictures: Pictures,
    shown: Tensor,
    continuation: Tensor | None = None,
) -> Tensor:
    """Hidden states [B, 1 + L, C] of the answer positions of B copies of `prompt`.

    `shown` [B, images in the prompt] are indices into `pictures`; `continuation` [B, L] are tokens after the prompt,
    none by default, so that only the first answer position is there.
    """
    tokens = pictures.tokens.shape[1]
    pad = processor.image_token
    text = prompt.replace(IMAGE, IMAGE.replace(pad, pad * tokens))
    encoded = processor.tokenizer.encode(text, add_special_tokens=False)
    rows = torch.tensor([encoded], device=model.device).expand(len(shown), -1)
    if continuation is not None:
        rows = torch.cat([rows, continuation], 1)
    visual = (rows[:1] == model.config.image_token_id).int()
    positions, _ = model.model.get_rope_index(
        rows[:1], mm_token_type_ids=visual, image_grid_thw=pictures.grid.expand(shown.shape[1], 3)
    )
    flat = shown.flatten().to(model.device)
    features = BaseModelOutputWithDeepstackFeatures(
        pooler_output=[pictures.tokens[flat].flatten(0, 1)],
        deepstack_features=[[layer[flat].flatten(0, 1)] for layer in pictures.deepstack],
    )
    states: Tensor = model.model(
        input_ids=rows,
        position_ids=positions.expand(-1, len(shown), -1),
        mm_encoder_outputs={"image": features},
        use_cache=False,
    ).last_hidden_state
    return states[:, len(encoded) - 1 :]
