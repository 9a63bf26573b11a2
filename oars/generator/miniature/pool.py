"""What the base is trained on, made once: photo crops, degraded at every strength, and what a network restores of them.

Pre-restoration costs more than a training step, so pairs are made first and seen again turned and mirrored. A shard is
written whole and never changes: a build that was killed goes on with the next one.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oars.config import DataConfig
from oars.files import write_whole
from oars.generator.pre_restoration import PreRestorer, resize
from oars.imaging.crops import training_pair
from oars.imaging.photo import Photo
from oars.seeds import derive_seed

Pixels = NDArray[np.uint8]


class Pictures(NamedTuple):
    """uint8 [B, SIDE, SIDE, 3] each; [SIDE, SIDE, 3] of one pair."""

    restored: Pixels
    """The LR, pre-restored."""
    lr: Pixels
    """The LR, resized."""


SIDE, SCALE = 96, 4
SHARD = 64
_DATA = DataConfig(scale=SCALE, crop=SIDE, strength=(0.0, 1.0))
"""Any strength from a mere reduction to the published degradation."""


def make_pool(
    directory: Path,
    photos: Sequence[Photo],
    restorer: PreRestorer,
    shards: range,
    seed: int,
    progress: Callable[[int], None],
) -> None:
    """Write the shards that `directory` does not hold yet; `progress(shard)` follows each."""
    directory.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        path = _path(directory, shard)
        if not path.exists():
            pairs = _pairs(photos, restorer, range(shard * SHARD, (shard + 1) * SHARD), seed)
            write_whole(path, partial(_save, pairs))
        progress(shard)


def read_pool(directory: Path, shards: int) -> Pictures:
    """All pairs of the first `shards` shards."""
    loaded = [np.load(_path(directory, shard)) for shard in range(shards)]
    restored, lrs = (np.concatenate([shard[name] for shard in loaded]) for name in ("restored", "lr"))
    return Pictures(restored, np.stack([resize(lr, *restored.shape[1:3]) for lr in lrs]))


def pooled_pictures(pool: Pictures, batch: int, seed: int, steps: range) -> Iterator[Pictures]:
    """The pictures of each step: drawn anew, turned and mirrored at random. Follows from (seed, step) alone."""
    for step in steps:
        rng = np.random.default_rng(derive_seed("pooled", seed, step))
        pairs = [_turned(pool, int(rng.integers(len(pool.lr))), rng) for _ in range(batch)]
        yield Pictures(*(np.stack(each) for each in zip(*pairs, strict=True)))


def _pairs(photos: Sequence[Photo], restorer: PreRestorer, indices: range, seed: int) -> dict[str, Pixels]:
    """The LRs at their own size, and what the network makes of them."""
    lrs = [training_pair(photos, _DATA, seed, index).lr for index in indices]
    return {"lr": np.stack(lrs), "restored": np.stack(restorer.restore(lrs, SIDE, SIDE))}


def _turned(pool: Pictures, index: int, rng: np.random.Generator) -> Pictures:
    turns, flip = int(rng.integers(4)), int(rng.choice([1, -1]))
    return Pictures(*(np.rot90(pictures[index][:, ::flip], turns) for pictures in pool))


def _save(pairs: dict[str, Pixels], path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, lr=pairs["lr"], restored=pairs["restored"])


def _path(directory: Path, shard: int) -> Path:
    return directory / f"{shard:05}.npz"
