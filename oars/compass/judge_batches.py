"""Batches for the judge's training: groups of labelled transitions, augmented, drawn by seed."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oars.compass.judge_data import Shelf
from oars.compass.labels import LabelMap
from oars.config.judge_training import JudgeTrainingConfig


@dataclass(frozen=True)
class Batch:
    """G groups: pictures uint8 [G, 1 + K, S, S, 3] (LR view first), F float32 [G, K], Q float32 [G, 1 + K]."""

    views: NDArray[np.uint8]
    fidelity: Tensor
    quality: Tensor


def draw_batch(shelves: list[Shelf], labels: LabelMap, seed: int, config: JudgeTrainingConfig) -> Batch:
    """Random groups of one size, each flipped, turned and with its colour channels permuted, all pictures alike."""
    rng = np.random.default_rng(seed)
    shelf = shelves[rng.choice(len(shelves), p=config.size_shares)]
    rows = rng.choice(shelf.shape[0], size=min(config.batch_groups, shelf.shape[0]), replace=False)
    fidelity, quality = labels_of(shelf, labels)
    views = np.stack([augmented(shelf.views[row], rng) for row in rows])
    return Batch(
        views,
        torch.from_numpy(fidelity[rows, 1:]),
        torch.from_numpy(quality[rows]),
    )


def labels_of(shelf: Shelf, labels: LabelMap) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """F and Q of every picture of a shelf, [G, 1 + K] each; the first column is the LR view."""
    return labels.fidelity(shelf.errors).reshape(shelf.shape), labels.quality(shelf.errors).reshape(shelf.shape)


def augmented(views: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    turned = np.rot90(views, int(rng.integers(4)), (1, 2))
    flipped = turned[:, :, ::-1] if rng.random() < 0.5 else turned
    return flipped[..., rng.permutation(3)]
