"""Sets the miniature judge's output layer by least squares: fine-tuning starts from scores, not from a constant.

With y the linear estimate of a label from the answer state, level v gets the logit
sharpness * ((v - c) (y - c) - (v - c)^2 / 2), c the middle level: a softmax centred on y. Which prompt was asked is
estimated alike, and takes each prompt's answer off the other's tokens; all other tokens are pushed down. Ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.compass.judge_forward import answer_states, encode_pictures
from oars.compass.prompt import NEWEST, Prompts
from oars.compass.score_tokens import ScoreTokens
from oars.compass.training.examples import Batch
from oars.compass.training.objective import picture_pairs
from oars.precision import computing_in

# Logit of every token that is no score, and how peaked the first answers are, per squared distance of two levels.
_PUSHED_DOWN = -8.0
_SHARPNESS = 1.0
_RIDGE = 1e-3


@dataclass(frozen=True)
class Answers:
    """Answer states float64 [N, C] of both prompts, with their labels [N]; F may be NaN."""

    pictures: Tensor
    transitions: Tensor
    quality: Tensor
    fidelity: Tensor


@torch.no_grad()
def fit_output_layer(
    model: Qwen3VLForConditionalGeneration, processor: Qwen3VLProcessor, batches: Sequence[Batch], dtype: torch.dtype
) -> None:
    """Set `lm_head` from what the judge answers to these batches, computing in `dtype`."""
    prompts = Prompts.of(processor, NEWEST)
    parts = [_answers(model, processor, prompts, batch, dtype) for batch in batches]
    answers = Answers(*(torch.cat([getattr(part, name) for part in parts]) for name in Answers.__dataclass_fields__))
    rows = _rows(answers, prompts.tokens, model.lm_head.out_features)
    model.lm_head.weight.copy_(torch.stack(rows))


def _answers(
    model: Qwen3VLForConditionalGeneration,
    processor: Qwen3VLProcessor,
    prompts: Prompts,
    batch: Batch,
    dtype: torch.dtype,
) -> Answers:
    with computing_in(dtype):
        encoded = encode_pictures(model, processor, batch.views.reshape(-1, *batch.views.shape[2:]))
        every = torch.arange(batch.quality.size)[:, None]
        pictures = answer_states(model, processor, prompts.quality, encoded, every)[:, 0]
        transitions = answer_states(model, processor, prompts.transition, encoded, picture_pairs(batch))[:, 0]
    labels = (batch.quality, batch.fidelity)
    told = [torch.from_numpy(np.ascontiguousarray(values)).flatten().double() for values in labels]
    return Answers(pictures.double(), transitions.double(), *told)


def _rows(answers: Answers, tokens: ScoreTokens, vocabulary: int) -> list[Tensor]:
    """The output layer's row of each token."""
    both = torch.cat([answers.pictures, answers.transitions])
    asked = torch.cat([torch.zeros(len(answers.pictures)), torch.ones(len(answers.transitions))]).double()
    one, transition = _least_squares(both, torch.ones_like(asked)), _least_squares(both, asked)
    labelled = answers.fidelity.isfinite()
    quality = _least_squares(answers.pictures, answers.quality)
    fidelity = _least_squares(answers.transitions[labelled], answers.fidelity[labelled]) if labelled.any() else 0 * one
    rows = {token: _PUSHED_DOWN * one for token in range(vocabulary)}
    rows |= _levels(tokens.quality, quality, one) | _levels(tokens.fidelity, fidelity, one)
    for levels, other in ((tokens.fidelity, one - transition), (tokens.quality, transition)):
        for token in levels:
            rows[token] = rows[token] + _PUSHED_DOWN * other
    return [rows[token] for token in range(vocabulary)]


def _levels(levels: Mapping[int, float], estimate: Tensor, one: Tensor) -> dict[int, Tensor]:
    values = list(levels.values())
    middle, sharpness = (values[0] + values[-1]) / 2, _SHARPNESS / (values[1] - values[0]) ** 2
    offsets = {token: value - middle for token, value in levels.items()}
    return {
        token: sharpness * (offset * (estimate - middle * one) - offset**2 / 2 * one)
        for token, offset in offsets.items()
    }


def _least_squares(states: Tensor, target: Tensor) -> Tensor:
    """Ridge weights [C] with states @ weights near target."""
    gram = states.T @ states / len(states)
    ridge = _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return torch.linalg.solve(gram + ridge, states.T @ target / len(states))
