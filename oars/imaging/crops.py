"""LR-GT pairs out of photos: which window, and how it became low quality. Everything follows from (seed, index).

Training windows are random, the more textured of two (flat sky teaches nothing), mirrored half of the time.
Evaluation windows are cells of a grid, disjoint as long as there are enough of them; the flattest third of each
photo's cells is left out, and the photos take turns.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oars.config.degradation import DegradationConfig
from oars.config.run import DataConfig
from oars.errors import UserError
from oars.imaging.degradation import degrade, degrade_once
from oars.imaging.image_io import BadImage
from oars.imaging.photo import Photo
from oars.imaging.photo_cache import PhotoCache
from oars.imaging.photos import NoPhotos
from oars.imaging.survey import survey
from oars.seeds import derive_seed

Pixels = NDArray[np.uint8]

_TRAINING_CANDIDATES = 2
_KEPT_SHARE = 2 / 3
_CACHED_BYTES = 512 * 2**20  # some forty half-size wallpapers, or seven photos of 24 megapixels
_DRAWS = 8
"""Photos drawn for one input; those before the last may have become unreadable since the run began."""

_log = logging.getLogger(__name__)
_cache = PhotoCache(_CACHED_BYTES)


class PhotoTooSmall(UserError, ValueError):
    """A photo that holds no window of the wanted size; the message names both."""


@dataclass(frozen=True)
class Pair:
    """One input of the aligner: an LR and, in the paired stages, its ground truth."""

    image_id: str
    """Photo, window and (for training) index: unique within a run's stage, the same in every process."""
    lr: Pixels
    """[h, w, 3]"""
    gt: Pixels | None
    """[h * scale, w * scale, 3], or None."""


@dataclass(frozen=True)
class Window:
    """A square of a photo, pixels."""

    top: int
    left: int
    side: int

    def of(self, pixels: Pixels) -> Pixels:
        return pixels[self.top : self.top + self.side, self.left : self.left + self.side]


def training_pair(photos: Sequence[Photo], data: DataConfig, seed: int, index: int) -> Pair:
    """Pair number `index` of the paired stages; `gt` is `data.crop` pixels square, `lr` its degradation.

    A photo that cannot be read, or holds no such window, costs one draw. Raises BadImage or PhotoTooSmall if the last
    draw fails, too.
    """
    return _first_readable(lambda draw: _training_pair(photos, data, seed, index, draw))


def _training_pair(photos: Sequence[Photo], data: DataConfig, seed: int, index: int, draw: tuple[int, ...]) -> Pair:
    rng = np.random.default_rng(derive_seed("training_pair", seed, index, *draw))
    photo = photos[int(rng.integers(len(photos)))]
    pixels = photo_pixels(photo, False)
    candidates = [random_window(photo, pixels, data.crop, rng) for _ in range(_TRAINING_CANDIDATES)]
    window = max(candidates, key=lambda candidate: texture(candidate.of(pixels)))
    degradation_seed = derive_seed("training_pair", seed, index, "degradation")
    lr, gt = degraded_window(pixels, window, drawn_degradation(data, degradation_seed), data.scale, degradation_seed)
    if rng.random() < 0.5:
        lr, gt = lr[:, ::-1], gt[:, ::-1]
    return Pair(f"{_window_id(photo, window)}#{index}", np.ascontiguousarray(lr), np.ascontiguousarray(gt))


def evaluation_pairs(data: DataConfig, seed: int) -> list[Pair]:
    """`data.evaluation_crops` degraded pairs of `data.evaluation_crop` pixels from the evaluation photos.

    The windows overlap by half, three quarters ... only where the photos have too few disjoint ones.
    A photo that cannot be read is left out. Raises NoPhotos if the source has no photo to use in one of its splits.
    """
    photos = survey(data, seed).evaluation
    stride = data.evaluation_crop
    while len(chosen := _spread(photos, data.evaluation_crop, stride, seed)) < data.evaluation_crops and stride > 1:
        stride //= 2
    if not chosen:
        raise NoPhotos(f"data.photos: none of the {len(photos)} evaluation photos in {data.photos!r} can be read")
    return [_evaluation_pair(photo, window, data, seed) for photo, window in chosen[: data.evaluation_crops]]


def low_quality_input(
    photos: Sequence[Photo], data: DataConfig, seed: int, index: int, real: Sequence[Photo] = ()
) -> Pair:
    """Input number `index` of the reference-free stage, `data.crop / data.scale` pixels square, without GT.

    The share `data.low_quality.share` is of `real`, untouched, if there are any. A photo with a reduction is soft and
    noisy at full size: its own full-size pixels are the input, untouched. Any other photo is shrunk by
    `data.low_quality.shrink` and passes one light order of degradation. Photos that cannot be used cost draws, as in
    `training_pair`.
    """
    from_real = bool(real) and _is_real(data.low_quality.share, seed, index)
    drawn_from = real if from_real else photos
    return _first_readable(lambda draw: _low_quality_input(drawn_from, data, seed, index, draw, from_real))


def _is_real(share: float, seed: int, index: int) -> bool:
    return np.random.default_rng(derive_seed("low_quality_source", seed, index)).random() < share


def _low_quality_input(
    photos: Sequence[Photo], data: DataConfig, seed: int, index: int, draw: tuple[int, ...], untouched: bool
) -> Pair:
    rng = np.random.default_rng(derive_seed("low_quality", seed, index, *draw))
    photo = photos[int(rng.integers(len(photos)))]
    side = data.crop // data.scale
    soft = untouched or photo.reduction > 1
    pixels = photo_pixels(photo, soft)
    source = side if soft else round(side * rng.uniform(*data.low_quality.shrink))
    source = max(side, min(source, *pixels.shape[:2]))
    window = random_window(photo, pixels, source, rng)
    lr = window.of(pixels)
    if not soft:
        shrunk = np.asarray(Image.fromarray(lr).resize((side, side), Image.Resampling.BICUBIC))
        lr = degrade_once(shrunk, data.low_quality.stage, derive_seed("low_quality", seed, index, "degradation"))
    return Pair(f"{_window_id(photo, window)}#{index}", np.ascontiguousarray(lr), None)


def _first_readable(make: Callable[[tuple[int, ...]], Pair]) -> Pair:
    """`make` gets what its seed has beside the first draw's."""
    for draw in range(_DRAWS - 1):
        try:
            return make((draw,) if draw else ())
        except (BadImage, PhotoTooSmall) as error:
            _log.warning("photo left out: %s", error)
    return make((_DRAWS - 1,))


def texture(pixels: Pixels) -> float:
    """Mean absolute difference of neighbouring pixels, 8-bit levels: how much there is to restore."""
    levels = pixels.astype(np.int16)
    return float(np.abs(np.diff(levels, axis=0)).mean() + np.abs(np.diff(levels, axis=1)).mean())


def photo_pixels(photo: Photo, full_size: bool) -> Pixels:
    """`photo.pixels`, read-only; the last few photos are kept."""
    return _cache.pixels(photo, full_size)


def random_window(photo: Photo, pixels: Pixels, side: int, rng: np.random.Generator) -> Window:
    """Raises PhotoTooSmall."""
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        raise PhotoTooSmall(f"{photo.name}: {width}x{height} px holds no {side} px crop")
    return Window(int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)), side)


def drawn_degradation(data: DataConfig, seed: int) -> DegradationConfig:
    """`data.degradation` at a strength that follows from the seed."""
    strength = np.random.default_rng(derive_seed("strength", seed)).uniform(*data.strength)
    return data.degradation.at_strength(float(strength))


def degraded_window(
    pixels: Pixels, window: Window, degradation: DegradationConfig, scale: int, seed: int
) -> tuple[Pixels, Pixels]:
    """LR and GT of a window, degraded with the surroundings that the photo has."""
    margin = degradation.margin
    before = [min(margin, start) // scale * scale for start in (window.top, window.left)]
    ends = (window.top + window.side, window.left + window.side)
    after = [min(margin, size - end) // scale * scale for size, end in zip(pixels.shape, ends, strict=False)]
    surroundings = pixels[window.top - before[0] : ends[0] + after[0], window.left - before[1] : ends[1] + after[1]]
    degraded = degrade(surroundings, degradation, seed, scale)
    lr = Window(before[0] // scale, before[1] // scale, window.side // scale).of(degraded)
    return lr, window.of(pixels)


def _spread(photos: Sequence[Photo], side: int, stride: int, seed: int) -> list[tuple[Photo, Window]]:
    """Textured grid cells of all photos, shuffled within each photo, the photos taking turns."""
    queues = [[(photo, cell) for cell in _readable_cells(photo, side, stride, seed)] for photo in photos]
    turns = chain.from_iterable(zip_longest(*queues))
    return [entry for entry in turns if entry is not None]


def _readable_cells(photo: Photo, side: int, stride: int, seed: int) -> list[Window]:
    """None of a photo that cannot be read, or holds none."""
    try:
        return _textured_cells(photo, side, stride, seed)
    except (BadImage, PhotoTooSmall) as error:
        _log.warning("photo left out: %s", error)
        return []


def _textured_cells(photo: Photo, side: int, stride: int, seed: int) -> list[Window]:
    pixels = photo_pixels(photo, False)
    rng = np.random.default_rng(derive_seed("evaluation", seed, photo.name))
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        raise PhotoTooSmall(f"{photo.name}: {width}x{height} px holds no {side} px crop")
    # The grid is centred, so that the remainder is split between the two borders.
    tops = range((height - side) % stride // 2, height - side + 1, stride)
    lefts = range((width - side) % stride // 2, width - side + 1, stride)
    cells = [Window(top, left, side) for top in tops for left in lefts]
    cells.sort(key=lambda cell: texture(cell.of(pixels)), reverse=True)
    kept = cells[: max(1, round(len(cells) * _KEPT_SHARE))]
    return [kept[i] for i in rng.permutation(len(kept))]


def _evaluation_pair(photo: Photo, window: Window, data: DataConfig, seed: int) -> Pair:
    image_id = _window_id(photo, window)
    degradation_seed = derive_seed("evaluation", seed, image_id)
    degradation = drawn_degradation(data, degradation_seed)
    lr, gt = degraded_window(photo_pixels(photo, False), window, degradation, data.scale, degradation_seed)
    return Pair(image_id, np.ascontiguousarray(lr), np.ascontiguousarray(gt))


def _window_id(photo: Photo, window: Window) -> str:
    return f"{photo.name}@{window.left},{window.top}+{window.side}"
