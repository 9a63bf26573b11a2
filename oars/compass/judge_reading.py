"""Second stage of the miniature judge's training: the text model learns to read the vision tower, which rests.

Trained together from here, the two collapse: the text model's first gradients destroy what the tower has learnt. So the
tower's answers are computed once for every picture, in a few augmentations, and the text model trains on those, at a
small fraction of the work. Ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.compass.judge_batches import augmented, labels_of
from oars.compass.judge_data import Shelf
from oars.compass.judge_forward import Pictures, encode_pictures, last_states
from oars.compass.labels import LabelMap
from oars.compass.prompt import INPUT_PROMPT, TRANSITION_PROMPT, ScoreTokens

_ENCODED_AT_ONCE = 8


@dataclass(frozen=True)
class ReadShelf:
    """A shelf as the vision tower sees it: G groups of 1 + K pictures, in bfloat16, with their labels."""

    tokens: Tensor
    """[G, 1 + K, T, C]"""
    deepstack: Tensor
    """[G, 1 + K, layers, T, C]"""
    grid: Tensor
    fidelity: Tensor
    """[G, K]"""
    quality: Tensor
    """[G, 1 + K]"""


def read_shelf(
    model: Qwen3VLForConditionalGeneration,
    processor: Qwen3VLProcessor,
    shelf: Shelf,
    labels: LabelMap,
    augmentations: int,
    rng: np.random.Generator,
    progress: bool,
) -> ReadShelf:
    """Encode every group of a shelf `augmentations` times, differently turned and coloured."""
    turned = [augmented(views, rng) for _ in range(augmentations) for views in shelf.views]
    fidelity, quality = labels_of(shelf, labels)
    tokens, deepstack, grid = [], [], torch.empty(0)
    for start in track(range(0, len(turned), _ENCODED_AT_ONCE), "reading pictures", disable=not progress):
        views = np.stack(turned[start : start + _ENCODED_AT_ONCE])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            encoded = encode_pictures(model, processor, views.reshape(-1, *views.shape[2:]))
        tokens.append(encoded.tokens.unflatten(0, views.shape[:2]).bfloat16())
        deepstack.append(encoded.deepstack.transpose(0, 1).unflatten(0, views.shape[:2]).bfloat16())
        grid = encoded.grid
    return ReadShelf(
        torch.cat(tokens).clone(),
        torch.cat(deepstack).clone(),
        grid.clone(),
        torch.from_numpy(np.tile(fidelity[:, 1:], (augmentations, 1))).float(),
        torch.from_numpy(np.tile(quality, (augmentations, 1))).float(),
    )


@dataclass(frozen=True)
class Answers:
    """What the text model makes of a batch: the state at the answer position, float32, of both prompts."""

    inputs: Tensor
    """[G * (1 + K), C], every picture alone"""
    transitions: Tensor
    """[G * K, C]"""


def answer_states(
    model: Qwen3VLForConditionalGeneration, processor: Qwen3VLProcessor, shelf: ReadShelf, rows: NDArray[np.int64]
) -> Answers:
    """Hidden states that the output layer reads, for the groups `rows`."""
    groups, pictures = shelf.quality[rows].shape
    tokens, layers = shelf.tokens[rows].float(), shelf.deepstack[rows].float()
    encoded = Pictures(tokens.flatten(0, 1), layers.flatten(0, 1).transpose(0, 1), shelf.grid)
    every = torch.arange(groups * pictures)[:, None]
    places = every.view(groups, pictures)
    pairs = torch.stack([places[:, :1].expand(-1, pictures - 1), places[:, 1:]], -1).flatten(0, 1)
    with torch.autocast("cpu", torch.bfloat16):
        return Answers(
            last_states(model, processor, INPUT_PROMPT, encoded, every).float(),
            last_states(model, processor, TRANSITION_PROMPT, encoded, pairs).float(),
        )


def reading_loss(
    model: Qwen3VLForConditionalGeneration,
    processor: Qwen3VLProcessor,
    tokens: ScoreTokens,
    shelf: ReadShelf,
    rows: NDArray[np.int64],
    expectation_weight: float,
) -> Tensor:
    """Cross-entropy to the two-hot targets + weighted squared error of the expectations (in [0, 1]).

    The input prompt is asked of every picture, not of the LR alone: that it stands alone teaches quality fastest.
    """
    quality, fidelity = shelf.quality[rows], shelf.fidelity[rows]
    answers = answer_states(model, processor, shelf, rows)
    inputs = model.lm_head(answers.inputs).log_softmax(-1)
    transitions = model.lm_head(answers.transitions).log_softmax(-1)
    slots = (
        slot_loss(inputs, tokens.quality, quality.flatten(), expectation_weight, 1.0),
        slot_loss(transitions, tokens.quality, quality[:, 1:].flatten(), expectation_weight, 0.5),
        slot_loss(transitions, tokens.fidelity, fidelity.flatten(), expectation_weight, 0.5),
    )
    return torch.stack(slots).sum()


def slot_loss(logprobs: Tensor, levels: dict[int, float], label: Tensor, weight: float, share: float) -> Tensor:
    """Loss of one slot: logprobs [B, vocabulary], labels [B]; `share` of the mass belongs to this slot's set."""
    ids, values = list(levels), torch.tensor(list(levels.values()))
    on_set = logprobs[:, ids]
    cross_entropy = -(two_hot(label, values) * on_set).sum(-1).mean()
    expectation = (on_set.softmax(-1) * values).sum(-1)
    span = values[-1] - values[0]
    return share * cross_entropy + weight * F.mse_loss(expectation / span, label / span)


def two_hot(label: Tensor, values: Tensor) -> Tensor:
    """Labels [B] between ascending, evenly spaced level values [L] to a distribution [B, L] with that expectation."""
    step = values[1] - values[0]
    return (1 - (label[:, None] - values).abs() / step).clamp(min=0)


@torch.no_grad()
def fit_output_layer(
    model: Qwen3VLForConditionalGeneration,
    processor: Qwen3VLProcessor,
    tokens: ScoreTokens,
    shelf: ReadShelf,
    groups: int,
) -> None:
    """Set the output layer by least squares, so that training starts from scores instead of from a constant.

    With y the linear estimate of a label from the answer state, level v gets the logit
    sharpness * ((v - c) (y - c) - (v - c)^2 / 2), c the middle level: a softmax centred on y. Which prompt was asked is
    estimated alike, and takes the fidelity tokens out of the input prompt's answer; all other tokens are pushed down.
    """
    groups = min(groups, len(shelf.quality))
    batches = [np.arange(start, min(start + 16, groups)) for start in range(0, groups, 16)]
    answers = [answer_states(model, processor, shelf, rows) for rows in batches]
    inputs = torch.cat([answer.inputs for answer in answers]).double()
    transitions = torch.cat([answer.transitions for answer in answers]).double()
    quality, fidelity = shelf.quality[:groups].double(), shelf.fidelity[:groups].double()
    both = torch.cat([inputs, transitions])
    asked = torch.cat([torch.zeros(len(inputs)), torch.ones(len(transitions))]).double()
    one, transition = _least_squares(both, torch.ones_like(asked)), _least_squares(both, asked)
    all_quality = torch.cat([quality.flatten(), quality[:, 1:].flatten()])
    rows = {token: _PUSHED_DOWN * one for token in range(model.lm_head.out_features)}
    for levels, weight in (
        (tokens.quality, _least_squares(both, all_quality)),
        (tokens.fidelity, _least_squares(transitions, fidelity.flatten())),
    ):
        values = list(levels.values())
        middle, sharpness = (values[0] + values[-1]) / 2, _SHARPNESS / (values[1] - values[0]) ** 2
        for token, value in levels.items():
            offset = value - middle
            rows[token] = sharpness * (offset * (weight - middle * one) - offset**2 / 2 * one)
    for token in tokens.fidelity:
        rows[token] = rows[token] + _PUSHED_DOWN * (one - transition)
    model.lm_head.weight.copy_(torch.stack([rows[token] for token in range(len(rows))]))


# Logit of every token that is no score, and how peaked the first answers are, per squared distance of two levels.
_PUSHED_DOWN = -8.0
_SHARPNESS = 1.0
_RIDGE = 1e-3


def _least_squares(states: Tensor, target: Tensor) -> Tensor:
    """Ridge weights [C] with states @ weights near target."""
    gram = states.T @ states / len(states)
    ridge = _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return torch.linalg.solve(gram + ridge, states.T @ target / len(states))


def drawn_rows(
    shelves: Sequence[ReadShelf], shares: tuple[float, ...], groups: int, rng: np.random.Generator
) -> tuple[ReadShelf, NDArray[np.int64]]:
    """One shelf by its share, and `groups` of its rows."""
    shelf = shelves[rng.choice(len(shelves), p=shares)]
    return shelf, rng.choice(len(shelf.quality), size=min(groups, len(shelf.quality)), replace=False)
