"""The judge's training set on disk: transitions with their raw metrics, made once and kept."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from oars.compass.labels import Errors, LabelMap, group_errors
from oars.compass.transitions import SIZES, group_size, transition_group
from oars.compass.views import lr_view
from oars.imaging.photos import Photo

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shelf:
    """G groups of one picture size S: `views` uint8 [G, 1 + K, S, S, 3], the LR view first; errors flat."""

    views: Pixels
    errors: Errors
    recipes: NDArray[np.str_]
    photos: NDArray[np.str_]

    @property
    def shape(self) -> tuple[int, int]:
        """(G, 1 + K)."""
        return self.views.shape[0], self.views.shape[1]


def labelled_transitions(
    folder: Path, photos: Sequence[Photo], seed: int, groups: int, candidates: int, progress: bool = True
) -> list[Shelf]:
    """`groups` groups of `candidates`, one shelf a size; read from `folder` if they were made before.

    The file's name holds what it was made from; it appears only when complete.
    """
    path = folder / f"transitions-{seed}-{groups}x{candidates}-{len(photos)}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, [_make_shelf(photos, seed, groups, candidates, size, progress) for size in SIZES])
    return _read(path)


def all_errors(shelves: Sequence[Shelf]) -> Errors:
    return Errors.concatenate([shelf.errors for shelf in shelves])


def fit_labels(shelves: Sequence[Shelf]) -> LabelMap:
    return LabelMap.fit(all_errors(shelves))


def _make_shelf(photos: Sequence[Photo], seed: int, groups: int, candidates: int, size: int, progress: bool) -> Shelf:
    indices = [index for index in range(groups) if group_size(seed, index) == size]
    views, errors, recipes, names = [], [], [], []
    for index in track(indices, f"transitions {size} px", disable=not progress):
        group = transition_group(photos, seed, index, candidates)
        views.append(np.stack([lr_view(group.lr, size, size), *(c.pixels for c in group.candidates)]))
        errors.append(group_errors(group))
        recipes.append(["lr", *(c.recipe for c in group.candidates)])
        names.append(group.photo)
    return Shelf(np.stack(views), Errors.concatenate(errors), np.array(recipes), np.array(names))


def _write(path: Path, shelves: Sequence[Shelf]) -> None:
    arrays: dict[str, Any] = {}  # any: savez would read arrays of a known type as its flag too
    for shelf in shelves:
        size = shelf.views.shape[2]
        arrays |= {f"{size}/{name}": values for name, values in shelf.errors.arrays().items()}
        arrays |= {f"{size}/views": shelf.views, f"{size}/recipes": shelf.recipes, f"{size}/photos": shelf.photos}
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def _read(path: Path) -> list[Shelf]:
    with np.load(path) as data:
        sizes = sorted({int(name.split("/")[0]) for name in data.files})
        return [
            Shelf(
                data[f"{size}/views"],
                Errors(*(data[f"{size}/{name}"] for name in Errors.__dataclass_fields__)),
                data[f"{size}/recipes"],
                data[f"{size}/photos"],
            )
            for size in sizes
        ]
