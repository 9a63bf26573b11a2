"""A stock chat VLM in miniature: the real class under a chat template of its own, never fine-tuned on our questions.

Its weights are random, but for an output layer that answers a question about one picture with a digit and one about
two with a letter, as a chat model does, and wavers a little from picture to picture.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oars.compass.judge import Judge
from oars.compass.judge_forward import answer_states, encode_pictures
from oars.compass.miniature.judge_model import build_judge

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
# The form of Qwen's published templates: a system turn, pictures by type or key, counted on request.
TEMPLATE = """
{%- set seen = namespace(images=0) %}
{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' }}
    {%- if message['content'] is string %}
        {{- message['content'] }}
    {%- else %}
        {%- for part in message['content'] %}
            {%- if part['type'] == 'image' or 'image' in part or 'image_url' in part %}
                {%- set seen.images = seen.images + 1 %}
                {%- if add_vision_id %}
                    {{- 'Picture ' ~ seen.images ~ ': ' }}
                {%- endif %}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
            {%- elif 'text' in part %}
                {{- part['text'] }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
_SURE, _NEXT, _WAVER = 14.0, 13.0, 0.1
"""Logits of the answer and of the level beside it, those of other words being about 0; how much they vary."""


def write_stock_judge(directory: Path, letters: str = "AB", digits: str = "43", seed: int = 3) -> None:
    """Write a judge that answers two pictures with the first of `letters`, then the second, and one with `digits`."""
    build_judge(directory, seed)
    (directory / "chat_template.jinja").write_text(TEMPLATE)
    judge = Judge.load(directory, torch.float32, "cpu")
    one, two = _directions(judge)
    rows = _WAVER * torch.randn(judge.model.lm_head.weight.shape, generator=torch.Generator().manual_seed(seed))
    encode = judge.processor.tokenizer.encode
    for texts, direction in ((letters, two), (digits, one)):
        for text, sure in zip(texts, (_SURE, _NEXT), strict=True):
            rows[encode(text)[0]] += sure * direction
    with torch.no_grad():
        judge.model.lm_head.weight.copy_(rows)
    judge.model.to(torch.bfloat16).save_pretrained(directory)


@torch.no_grad()
def _directions(judge: Judge) -> tuple[Tensor, Tensor]:
    """Two directions [C]: the answer states of a question about one picture have about 1 along the first and 0 along
    the second, those of one about two pictures the other way round."""
    questions = ((judge.prompts.quality, [[k] for k in range(_SHOWN)]), (judge.prompts.transition, _neighbours()))
    states, asked = [], []
    for side in (64, 128):
        encoded = encode_pictures(judge.model, judge.processor, _pictures(side))
        for question, (prompt, shown) in enumerate(questions):
            states.append(answer_states(judge.model, judge.processor, prompt, encoded, torch.tensor(shown))[:, 0])
            asked += [question] * _SHOWN
    rows, which = torch.cat(states).double(), torch.nn.functional.one_hot(torch.tensor(asked)).double()
    gram = rows.T @ rows / len(rows)
    ridge = 1e-4 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    one, two = torch.linalg.solve(gram + ridge, rows.T @ which / len(rows)).float().T
    return one, two


_SHOWN = 48


def _neighbours() -> list[list[int]]:
    return [[k, (k + 1) % _SHOWN] for k in range(_SHOWN)]


def _pictures(side: int) -> NDArray[np.uint8]:
    """Noise [_SHOWN, side, side, 3] in cells of many sizes, of many strengths about many colours."""
    draw = np.random.default_rng(side)
    made = []
    for k in range(_SHOWN):
        cell, strength = 2 ** (k % 5), draw.uniform(0, 1)
        cells = draw.uniform(0, 255, (side // cell, side // cell, 3)).repeat(cell, 0).repeat(cell, 1)
        made.append(strength * cells + (1 - strength) * draw.uniform(0, 255, 3))
    return np.stack(made).astype(np.uint8)
