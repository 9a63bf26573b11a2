"""Labelled-to-be transitions out of real training photos: groups of one LR and several candidates.

Group `index` of a seed is always the same, whatever was made before it. Only training photos are read, and some of
those are kept out of the judge's training to measure it on unseen photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oars.alignment.seeds import derive_seed
from oars.compass.enhancers import Candidate, draw, make, scene_of, to_pixels, unchanged
from oars.config.degradation import DegradationConfig
from oars.imaging.degradation import degrade
from oars.imaging.photos import Photo

Pixels = NDArray[np.uint8]

SIZES = (64, 96, 128)
SIZE_SHARES = (0.45, 0.45, 0.1)
SCALES = (4, 2, 1)
SCALE_SHARES = (0.75, 0.15, 0.1)
"""How far the LR is below the candidates' size: mostly the generator's factor, sometimes a better input."""
HARSH_SHARE = 0.6
"""Share of LR that the full second-order degradation makes; the others are reduced and slightly noisy."""


@dataclass(frozen=True)
class TransitionGroup:
    """One LR view, its ground truth and K candidates, all uint8 [S, S, 3] but `lr`."""

    photo: str
    lr: Pixels
    gt: Pixels
    candidates: tuple[Candidate, ...]


def group_size(seed: int, index: int) -> int:
    """Side of the pictures of group `index`, px."""
    return int(_rng(seed, index, "size").choice(SIZES, p=SIZE_SHARES))


def transition_group(photos: Sequence[Photo], seed: int, index: int, candidates: int) -> TransitionGroup:
    """Draw group `index`: `candidates` random ones, of which one group in four has the unchanged LR as its first."""
    size, rng = group_size(seed, index), _rng(seed, index, "content")
    photo, other = (photos[i] for i in rng.choice(len(photos), size=2, replace=False))
    gt, foreign = detailed_crop(pixels_of(photo), size, rng), detailed_crop(pixels_of(other), size, rng)
    lr = draw_lr(gt, rng)
    scene = scene_of(lr, gt, foreign)
    first = [make(scene, unchanged, (), rng)] if rng.random() < 0.25 else []
    rest = [draw(scene, rng) for _ in range(candidates - len(first))]
    return TransitionGroup(photo.name, lr, gt, (*first, *rest))


def draw_lr(gt: Pixels, rng: np.random.Generator) -> Pixels:
    """A degraded, reduced `gt` uint8 [S, S, 3]."""
    scale = int(rng.choice(SCALES, p=SCALE_SHARES))
    if rng.random() < HARSH_SHARE:
        return degrade(gt, DegradationConfig(), int(rng.integers(2**31)), scale)
    side = gt.shape[0] // scale
    reduced = np.asarray(Image.fromarray(gt).resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
    return to_pixels(reduced + rng.uniform(0, 6) * rng.normal(size=reduced.shape).astype(np.float32))


def detailed_crop(pixels: Pixels, size: int, rng: np.random.Generator, tries: int = 8) -> Pixels:
    """The most detailed of `tries` random crops: a flat or defocused one says nothing about quality."""
    height, width = pixels.shape[:2]
    crops = []
    for _ in range(tries):
        top, left = rng.integers(height - size + 1), rng.integers(width - size + 1)
        crops.append(pixels[top : top + size, left : left + size])
    return np.ascontiguousarray(max(crops, key=_detail))


def _detail(crop: Pixels) -> float:
    grey = crop.mean(-1)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())


@cache
def pixels_of(photo: Photo) -> Pixels:
    return photo.pixels()


def _rng(seed: int, index: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(derive_seed("transitions", seed, index, purpose))
