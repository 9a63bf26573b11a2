"""The judge's training examples: pictures and labels of a data set, packed so that any group is read at once.

A data set's shards are read in order; training wants groups in random order, larger than memory. So the pictures go,
once, into one flat file that every rank maps, and the labels into a small one beside it. Which step shows what derives
from (seed, step) alone: a resumed training sees what an unbroken one would, with any number of ranks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oars.compass.data.dataset import Group
from oars.compass.training.ladders import draw_ladder
from oars.compass.views import lr_view
from oars.config.judge_training import JudgeTrainingConfig
from oars.errors import UserError

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


class NoExamples(UserError, ValueError):
    """A data set that leaves nothing to train or validate on; the message is one line."""


@dataclass(frozen=True)
class Example:
    """One group as the judge is taught it; the LR comes first."""

    input_id: str
    views: Pixels
    """[1 + K, H, W, 3], the LR at the candidates' size."""
    truth: Pixels | None
    """[H, W, 3], the ground truth, from which half of the ladders start; None: none is known."""
    quality: Floats
    """[1 + K] in [1, 5]"""
    fidelity: Floats
    """[K] in [0, 1]; NaN: not labelled."""
    explanations: NDArray[np.str_]
    """[K], empty where there is none."""


def example_of(group: Group, config: JudgeTrainingConfig, told: Mapping[str, str]) -> Example | None:
    """None if all of the group's enhancers are held out. `told`: explanations of this group by enhancer."""
    seen = [k for k, name in enumerate(group.enhancers) if name not in config.held_out_enhancers]
    if not seen:
        return None
    view = lr_view(group.lr, *group.sr.shape[1:3])
    quality = group.q if config.quality_label == "calibrated" else group.anchor
    return Example(
        group.input_id,
        np.concatenate([view[None], group.sr[seen]]),
        group.gt,
        np.array([group.q_lr, *quality[seen]], np.float32),
        group.fidelity[seen].astype(np.float32),
        np.array([told.get(group.enhancers[k], "") for k in seen]),
    )


@dataclass(frozen=True)
class Examples:
    """Packed examples; indexing reads one group's pictures."""

    pictures: Pixels
    """Flat, mapped from disk."""
    ids: NDArray[np.str_]
    starts: NDArray[np.int64]
    shapes: NDArray[np.int64]
    """[G, 3]: 1 + K, H, W."""
    truths: NDArray[np.bool_]
    """[G]: whether the ground truth follows the views."""
    quality: Floats
    """[G, 1 + K max], NaN beyond a group's own."""
    fidelity: Floats
    explanations: NDArray[np.str_]
    """[G, K max]"""

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Example:
        count, height, width = (int(n) for n in self.shapes[index])
        start, known = int(self.starts[index]), bool(self.truths[index])
        flat = self.pictures[start : start + (count + known) * height * width * 3]
        shown = flat.reshape(count + known, height, width, 3)
        return Example(
            str(self.ids[index]),
            shown[:count],
            shown[count] if known else None,
            self.quality[index, :count],
            self.fidelity[index, : count - 1],
            self.explanations[index, : count - 1],
        )


def pack(examples: Iterable[Example | None], path: Path) -> int:
    """Write those that there are to `path` with `.bin` (pictures) and `.npz` (labels), not yet synced; their number."""
    kept: list[Example] = []
    starts, shapes, truths, at = [], [], [], 0
    with path.with_suffix(".bin").open("wb") as file:
        for example in filter(None, examples):
            starts.append(at)
            shapes.append(example.views.shape[:3])
            truths.append(example.truth is not None)
            for pictures in (example.views, example.truth):
                at += 0 if pictures is None else file.write(np.ascontiguousarray(pictures).tobytes())
            kept.append(replace(example, views=_NO_PIXELS, truth=None))
    np.savez(
        path.with_suffix(".npz"),
        ids=np.array([example.input_id for example in kept], str),
        starts=np.array(starts, np.int64),
        shapes=np.array(shapes, np.int64).reshape(-1, 3),
        truths=np.array(truths, bool),
        quality=_padded([example.quality for example in kept], np.nan),
        fidelity=_padded([example.fidelity for example in kept], np.nan),
        explanations=_padded([example.explanations for example in kept], ""),
    )
    return len(kept)


_NO_PIXELS = np.empty(0, np.uint8)


def open_examples(path: Path) -> Examples:
    """Map what `pack` wrote."""
    with np.load(path.with_suffix(".npz")) as data:
        tables = {name: data[name] for name in data.files}
    empty = not len(tables["ids"])
    pictures = np.empty(0, np.uint8) if empty else np.memmap(path.with_suffix(".bin"), np.uint8, "r")
    return Examples(pictures, **tables)


def _padded(rows: Sequence[NDArray[Any]], filling: float | str) -> NDArray[Any]:
    """[G, longest row]"""
    width = max((len(row) for row in rows), default=0)
    padded = [np.concatenate([row, np.full(width - len(row), filling, row.dtype)]) for row in rows]
    return np.stack(padded) if padded else np.empty((0, width))


@dataclass(frozen=True)
class Batch:
    """G groups of K candidates each, all pictures of one size, the LR first."""

    views: Pixels
    """[G, 1 + K, H, W, 3]"""
    quality: Floats
    """[G, 1 + K]"""
    fidelity: Floats
    """[G, K], NaN: not labelled."""
    explanations: NDArray[np.str_]
    """[G, K], empty: none."""
    ladders: Pixels
    """[G, C, H, W, 3]: each group's ground truth or one of its candidates, changed ever more
    (`oars/compass/training/ladders.py`); C may be 0."""
    margins: Floats
    """[G, C, 2]: how far F and Q_SR should lie under the ladder's first picture, as shares of their ranges."""

    def rows(self, chosen: Sequence[int]) -> "Batch":
        return Batch(*(getattr(self, field.name)[chosen] for field in fields(self)))


def draw_batch(examples: Examples, config: JudgeTrainingConfig, groups: int, seed: int) -> Batch:
    """Random groups, each turned, flipped, cut and with its colour channels permuted, all its pictures alike.

    All show as many candidates: `config.candidates`, or fewer if one of them has fewer. Without `config.sides` they
    have one size too: that of the first.
    """
    rng = np.random.default_rng(seed)
    side = int(rng.choice(config.sides)) if config.sides else None
    rows = _drawn_groups(examples, side, groups, rng)
    count = min(config.candidates, int(examples.shapes[rows, 0].min()) - 1)
    shown = [_shown(examples[int(row)], count, side, rng) for row in rows]
    views, quality, fidelity, told = (
        np.stack(column)
        for column in zip(*((one.views, one.quality, one.fidelity, one.explanations) for one in shown), strict=True)
    )
    return Batch(views, quality, fidelity, told, *_ladders(shown, config.ladder_length, rng))


def _ladders(shown: Sequence[Example], length: int, rng: np.random.Generator) -> tuple[Pixels, Floats]:
    """One ladder a group; the next group's first picture lends foreign content. Without a `length`, none."""
    if not length:
        return np.empty((len(shown), 0, *shown[0].views.shape[1:]), np.uint8), np.empty((len(shown), 0, 2), np.float32)
    bases = [ladder_base(example, rng) for example in shown]
    lenders = [*bases[1:], bases[0]]
    ladders = [draw_ladder(base, foreign, length, rng) for base, foreign in zip(bases, lenders, strict=True)]
    return np.stack([ladder.pictures for ladder in ladders]), np.stack([ladder.margins for ladder in ladders])


def ladder_base(example: Example, rng: np.random.Generator) -> Pixels:
    """The ground truth, in half of the draws where there is one; else any candidate in the group's better half, since
    a blurred one gains by sharpening. A judge that never saw the truth mistakes its finest texture for a fault."""
    if example.truth is not None and rng.random() < _TRUTH_SHARE:
        return example.truth
    better = np.argsort(-example.quality[1:])[: len(example.quality) // 2]
    return example.views[1 + rng.choice(better)]


_TRUTH_SHARE = 0.5


def _drawn_groups(examples: Examples, side: int | None, groups: int, rng: np.random.Generator) -> NDArray[np.int64]:
    sizes = examples.shapes[:, 1:]
    if side is None:
        fitting = np.flatnonzero((sizes == sizes[rng.integers(len(sizes))]).all(1))
    else:
        fitting = np.flatnonzero(sizes.min(1) >= side)
    if not len(fitting):
        raise NoExamples(f"sides: no picture of the data set holds a window of {side} px")
    return rng.choice(fitting, size=min(groups, len(fitting)), replace=False)


def _shown(example: Example, count: int, side: int | None, rng: np.random.Generator) -> Example:
    """`count` of its candidates; LR, candidates and truth are turned, cut and coloured alike."""
    chosen = np.sort(rng.choice(len(example.fidelity), size=count, replace=False))
    pictures = np.concatenate([[0], chosen + 1])
    views = example.views[pictures]
    if example.truth is not None:
        views = np.concatenate([views, example.truth[None]])
    if side is not None:
        top, left = (int(rng.integers(length - side + 1)) for length in views.shape[1:3])
        views = views[:, top : top + side, left : left + side]
    views = augmented(views, rng)
    return Example(
        example.input_id,
        views[: 1 + count],
        None if example.truth is None else views[-1],
        example.quality[pictures],
        example.fidelity[chosen],
        example.explanations[chosen],
    )


def augmented(views: Pixels, rng: np.random.Generator) -> Pixels:
    """[N, H, W, 3] turned (by half a turn where not square), flipped, toned and with permuted channels, all alike."""
    square = views.shape[1] == views.shape[2]
    turned = np.rot90(views, int(rng.integers(4)) if square else 2 * int(rng.integers(2)), (1, 2))
    flipped = turned[:, :, ::-1] if rng.random() < 0.5 else turned
    toned = _toned(flipped, rng) if rng.random() < _TONED_SHARE else flipped
    return np.ascontiguousarray(toned[..., rng.permutation(3)])


def _toned(views: Pixels, rng: np.random.Generator) -> Pixels:
    """Other brightness, contrast and colour balance, without clipping: a tone curve a channel.

    A judge can learn photographs by heart, and by their colours first; which candidate is the better one, hardly any
    tone curve changes.
    """
    gamma = np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.08, 3))
    black, white = rng.uniform(0, 0.15, 3), rng.uniform(0.8, 1, 3)
    curves = black + (white - black) * np.linspace(0, 1, 256)[:, None] ** gamma
    return np.rint(255 * curves).astype(np.uint8)[views, np.arange(3)]


_TONED_SHARE = 0.6
