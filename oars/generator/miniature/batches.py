"""The pictures of the base's training: GT crops and their mild degradations, drawn ahead by worker processes.

Invariant: what a step sees follows from (seed, step) and the recipe alone, for any number of workers and from whichever
step the training goes on.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from oars.config import DataConfig
from oars.config.degradation import DegradationConfig
from oars.generator.conditioning import resize
from oars.generator.miniature.recipe import BaseTraining
from oars.imaging.crops import training_pair
from oars.imaging.photo import Photo
from oars.seeds import derive_seed

Pixels = NDArray[np.uint8]
Pictures = tuple[Pixels, Pixels]
"""GTs and LRs resized to the GTs' size, both uint8 [B, S, S, 3]."""

# (crop side in pixels, batch): about the same number of tokens, so that the model knows more than one size.
SIZES = ((64, 16), (64, 16), (96, 7), (128, 4))
# Scales of the mild tasks: deblur and denoise at 1x would need no generator, so the base learns 2x and 4x.
SCALES = (2, 4, 4)
_LARGEST_BATCH = 64  # of SIZES, with room: pairs of different draws have different indices
_DRAWN_AHEAD = 4  # by each worker


@dataclass(frozen=True)
class HeldPhoto(Photo):
    """A photo that keeps its reduced pixels, uint8 [H, W, 3]; processes forked from this one share them."""

    held: Pixels = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8), compare=False, repr=False)

    def pixels(self, full_size: bool = False) -> Pixels:
        return super().pixels(True) if full_size else self.held


def hold(photos: list[Photo]) -> list[Photo]:
    """The same photos, decoded once."""
    with ThreadPoolExecutor() as threads:
        decoded = list(threads.map(lambda photo: photo.pixels(), photos))
    return [HeldPhoto(p.name, p.path, p.reduction, p.place, held) for p, held in zip(photos, decoded, strict=True)]


class MildPictures(Dataset[Pictures]):
    """Draw number `index` -> its pictures. Never changes, so workers need no state."""

    def __init__(self, photos: list[Photo], seed: int, batch_factor: int) -> None:
        self._photos = hold(photos)
        self._seed = seed
        self._factor = batch_factor

    def __getitem__(self, index: int) -> Pictures:
        rng = np.random.default_rng(derive_seed("mild", self._seed, index))
        side, batch = SIZES[rng.integers(len(SIZES))]
        first = index * _LARGEST_BATCH * self._factor
        pairs = [self._pair(side, int(rng.choice(SCALES)), first + i) for i in range(batch * self._factor)]
        return np.stack([gt for gt, _ in pairs]), np.stack([lr for _, lr in pairs])

    def _pair(self, side: int, scale: int, index: int) -> Pictures:
        """One GT and its LR at the GT's size, both [S, S, 3]."""
        data = DataConfig(scale=scale, crop=side, degradation=DegradationConfig.mild())
        pair = training_pair(self._photos, data, self._seed, index)
        assert pair.gt is not None
        return pair.gt, resize(pair.lr, side, side)


def training_pictures(photos: list[Photo], training: BaseTraining, start: int) -> Iterator[Pictures]:
    """Batches of the steps from `start` to the last one."""
    repeats = training.repeats
    first, end = start // repeats, -(-training.steps // repeats)
    for draw, (gt, lr) in enumerate(_loader(photos, training, range(first, end)), first):
        for step in range(max(start, draw * repeats), min(training.steps, (draw + 1) * repeats)):
            turns = step % repeats
            yield np.rot90(gt, turns, (1, 2)), np.rot90(lr, turns, (1, 2))


def _loader(photos: list[Photo], training: BaseTraining, draws: range) -> DataLoader[Pictures]:
    """Yield in order, whichever is ready first. Arrays travel through pipes: tensors would fill a small /dev/shm."""
    return DataLoader(
        MildPictures(photos, training.seed, training.batch_factor),
        batch_size=None,
        sampler=draws,
        collate_fn=_as_drawn,
        num_workers=training.workers,
        prefetch_factor=_DRAWN_AHEAD if training.workers else None,
        multiprocessing_context="fork" if training.workers else None,
    )


def _as_drawn(pictures: Any) -> Any:
    return pictures
