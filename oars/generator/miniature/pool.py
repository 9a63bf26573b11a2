"""The pairs of the base's training, made once: photo crops, degraded at every strength, then pre-restored.

Pre-restoration costs more than a training step, so pairs are made first and seen again turned and mirrored. A shard is
written whole and never changes: a build that was killed goes on with the next one.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oars.config import DataConfig
from oars.config.degradation import DegradationConfig
from oars.files import write_whole
from oars.generator.pre_restoration import PreRestorer
from oars.imaging.crops import training_pair
from oars.imaging.photo import Photo
from oars.seeds import derive_seed

Pixels = NDArray[np.uint8]
Pictures = tuple[Pixels, Pixels]
"""GTs and pre-restored LRs, both uint8 [B, SIDE, SIDE, 3]."""

SIDE, SCALE = 96, 4
SHARD = 64


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
    gts, restored = (np.concatenate([shard[name] for shard in loaded]) for name in ("gt", "restored"))
    return gts, restored


def pooled_pictures(pool: Pictures, batch: int, seed: int, steps: range) -> Iterator[Pictures]:
    """The batch of each step: pairs drawn anew, each turned and mirrored at random. Follows from (seed, step) alone."""
    for step in steps:
        rng = np.random.default_rng(derive_seed("pooled", seed, step))
        picks, turns, flips = (rng.integers(n, size=batch) for n in (len(pool[0]), 4, 2))
        gt, restored = (
            np.stack([_turned(pictures[i], k, f) for i, k, f in zip(picks, turns, flips, strict=True)])
            for pictures in pool
        )
        yield gt, restored


def _pairs(photos: Sequence[Photo], restorer: PreRestorer, indices: range, seed: int) -> Pictures:
    pairs = [training_pair(photos, _data(seed, index), seed, index) for index in indices]
    restored = restorer.restore([pair.lr for pair in pairs], SIDE, SIDE)
    return np.stack([pair.gt for pair in pairs if pair.gt is not None]), np.stack(restored)


def _data(seed: int, index: int) -> DataConfig:
    """Any strength from a mere reduction to the published degradation."""
    strength = float(np.random.default_rng(derive_seed("strength", seed, index)).uniform())
    return DataConfig(scale=SCALE, crop=SIDE, degradation=DegradationConfig().at_strength(strength))


def _turned(picture: Pixels, turns: int, flip: int) -> Pixels:
    return np.rot90(picture[:, ::-1] if flip else picture, turns)


def _save(pairs: Pictures, path: Path) -> None:
    gt, restored = pairs
    with path.open("wb") as file:
        np.savez(file, gt=gt, restored=restored)


def _path(directory: Path, shard: int) -> Path:
    return directory / f"{shard:05}.npz"
