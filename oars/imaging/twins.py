"""Photos of the training that are evaluation photos under another name: the same bytes, another suffix alone, or the
same picture saved again at another quality, size or format.
"""

from collections.abc import Iterator
from unicodedata import normalize

import numpy as np

from oars.imaging.fingerprint import alike
from oars.imaging.photo_table import PhotoTable

_COMPARED = 256
"""Evaluation photos whose fingerprints are compared with those of a batch of training photos at once."""

Twin = tuple[int, int]
"""Index of a training photo, and of the evaluation photo that it is."""


def not_held_out(train: PhotoTable, evaluation: PhotoTable) -> tuple[PhotoTable, list[str]]:
    """Those of `train` that are no evaluation photo under another name, and a line for each of the others."""
    found = {here: ("looks like", there) for here, there in _alike(train, evaluation)}
    found |= {here: ("the same photo as", there) for here, there in _same_photos(train, evaluation)}
    kept = np.ones(len(train), bool)
    kept[list(found)] = False
    return train.where(kept), [
        f"{train[here].name}: {how} {evaluation[there].name}, which is for evaluation"
        for here, (how, there) in sorted(found.items())
    ]


def _same_photos(train: PhotoTable, evaluation: PhotoTable) -> Iterator[Twin]:
    """Files of one length are read, no others."""
    by_stem = {_stem(name or ""): index for index, name in enumerate(evaluation.texts("name"))}
    lengths, of_evaluation = train.column("length"), evaluation.column("length")
    shared = np.intersect1d(lengths, of_evaluation)
    by_digest = {evaluation[i].digest(): int(i) for i in np.flatnonzero(np.isin(of_evaluation, shared))}
    of_one_length = np.isin(lengths, shared)
    for index, name in enumerate(train.texts("name")):
        same = by_stem.get(_stem(name or ""))
        if same is None and of_one_length[index]:
            same = by_digest.get(train[index].digest())
        if same is not None:
            yield index, same


def _alike(train: PhotoTable, evaluation: PhotoTable) -> Iterator[Twin]:
    """By their fingerprints; no file is read."""
    held_out = [batch for batch in evaluation.fingerprints(_COMPARED) if len(batch.indices)]
    for trained in train.fingerprints():
        for batch in held_out:
            pairs = np.argwhere(alike(trained.levels, batch.levels))
            yield from ((int(trained.indices[here]), int(batch.indices[there])) for here, there in pairs)


def _stem(name: str) -> str:
    """The name without its suffix, as file systems that fold case and compose accents see it."""
    folder, slash, file = name.rpartition("/")
    return normalize("NFC", f"{folder}{slash}{file.rpartition('.')[0] or file}").casefold()
