"""Turns labels into distributions over score tokens, and computes the loss of one score slot.

A label lies between levels. Its target is a distribution over them that puts most mass on the nearest and little on
far ones, so that neighbouring levels are not equally wrong. Cross-entropy over the whole vocabulary teaches the
reading and keeps the mass on the score tokens at once. Ours: the paper states no target.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from oars.config.judge_training import TargetConfig


def two_hot(label: Tensor, values: Tensor) -> Tensor:
    """Labels [B] between ascending, evenly spaced level values [L] to a distribution [B, L] with that expectation."""
    step = values[1] - values[0]
    return (1 - (label[:, None] - values).abs() / step).clamp(min=0)


def gaussian(label: Tensor, values: Tensor, sigma: float) -> Tensor:
    """Distribution [B, L] that falls with the squared distance from the label; `sigma` in levels."""
    distance = (label[:, None] - values) / (values[1] - values[0])
    return (-distance.square() / (2 * sigma**2)).softmax(-1)


def target(label: Tensor, values: Tensor, config: TargetConfig) -> Tensor:
    """The distribution [B, L] that `config` makes of labels [B]."""
    return two_hot(label, values) if config.kind == "two_hot" else gaussian(label, values, config.sigma)


def expectation(logprobs: Tensor, levels: dict[int, float]) -> Tensor:
    """The readings of one slot: logprobs [B, vocabulary] -> [B]."""
    values = torch.tensor(list(levels.values()), device=logprobs.device)
    return (logprobs[:, list(levels)].softmax(-1) * values).sum(-1)


def ranking_losses(read: Tensor, label: Tensor, span: float, config: TargetConfig) -> Tensor:
    """Loss of the order within each group, [G]: read and labels [G, K].

    Over all ordered pairs, the cross-entropy between which candidate the labels and which one the readings call the
    better one, both as a logistic of the difference.
    """
    scale = config.ranking_scale * span
    pairs = ~torch.eye(read.shape[1], dtype=torch.bool, device=read.device)
    told, got = ((x[:, :, None] - x[:, None]) / scale for x in (label, read))
    losses = F.binary_cross_entropy_with_logits(got, told.sigmoid(), reduction="none")
    return (losses * pairs).sum((1, 2)) / max(read.shape[1] - 1, 1)


def slot_losses(logprobs: Tensor, levels: dict[int, float], label: Tensor, config: TargetConfig) -> Tensor:
    """Loss of each row's slot, [B]; 0 where the label is NaN.

    logprobs [B, vocabulary], labels [B]. The sum of the cross-entropy to the target and the weighted squared error of
    the expectation, in [0, 1].
    """
    known = ~label.isnan()
    label = torch.where(known, label, next(iter(levels.values())))
    ids, values = list(levels), torch.tensor(list(levels.values()), device=label.device)
    on_set = logprobs[:, ids]
    cross_entropy = -(target(label, values, config) * on_set).sum(-1)
    error = (expectation(logprobs, levels) - label) / (values[-1] - values[0])
    return (cross_entropy + config.expectation_weight * error.square()) * known
