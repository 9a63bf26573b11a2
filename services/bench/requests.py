"""Requests to load COMPASS with: groups of real crops, each one new to the service unless a duplicate is wanted."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from oars.config import DataConfig
from oars.imaging.crops import Pair, evaluation_pairs
from oars.imaging.image_io import Pixels

_POOL = 16  # different crops; every request turns its own by another offset


@dataclass(frozen=True)
class ScoreGroup:
    """LR uint8 [h, w, 3] and candidates uint8 [K, H, W, 3]."""

    lr: Pixels
    candidates: Pixels


class Groups:
    """An endless sequence of groups; number n is the same group always. Not photos of one scene but crops of real ones:
    between the bicubic enlargement and the ground truth, at K depths, with a little noise."""

    def __init__(self, data: DataConfig, side: int, candidates: int, repeat: float = 0.0, seed: int = 0) -> None:
        """`repeat` is the share of requests, spread evenly, that repeat the group before them."""
        if not 0 <= repeat < 1:
            raise ValueError(f"repeat: {repeat}, expected 0 to below 1")
        data = data.model_copy(update={"crop": side, "evaluation_crop": side, "evaluation_crops": _POOL})
        rng = np.random.default_rng(seed)
        self._pool = [_depths(pair, candidates, rng) for pair in evaluation_pairs(data, seed)]
        self.repeat = repeat

    @property
    def period(self) -> int:
        """Numbers after which the sequence starts anew, without repeats."""
        height, width, _ = self._pool[0].lr.shape
        return len(self._pool) * height * width

    def __getitem__(self, number: int) -> ScoreGroup:
        number = int(number * (1 - self.repeat) + 1e-9)
        turn, index = divmod(number, len(self._pool))
        group = self._pool[index]
        scale = group.candidates.shape[1] // group.lr.shape[0]
        down, across = divmod(turn, group.lr.shape[1])
        shift = down % group.lr.shape[0], across
        return ScoreGroup(
            np.roll(group.lr, shift, (0, 1)),
            np.roll(group.candidates, (shift[0] * scale, shift[1] * scale), (1, 2)),
        )


def _depths(pair: Pair, count: int, rng: np.random.Generator) -> ScoreGroup:
    assert pair.gt is not None, "evaluation pairs have their ground truth"
    height, width, _ = pair.gt.shape
    enlarged = np.asarray(Image.fromarray(pair.lr).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    noise = rng.normal(0, 2, (count, *pair.gt.shape))
    mixed = [enlarged + depth * (pair.gt - enlarged) for depth in np.linspace(0, 1, count)]
    return ScoreGroup(pair.lr, np.clip(np.rint(np.stack(mixed) + noise), 0, 255).astype(np.uint8))
