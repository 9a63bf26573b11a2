"""`samples/`: crops as PNG, one file a model, and `index.json`, which the report reads.

Some larger crops that were chosen before the run, then the held-out crops where alignment gained most and lost most.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oars.files import write_text
from oars.imaging.crops import Pair
from oars.report.records import Choice
from services.results.comparison import Evaluated

_EXTREMES = 2
"""Best ones, and as many worst ones."""
_DECIDES = "stlpips"
"""Metric that best and worst go by: it sees the ground truth and agrees best with people of the panel."""
_SCORES = ("reward", "fidelity", "q_sr", "psnr", "stlpips")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """One crop by all models."""

    choice: Choice
    pair: Pair
    images: dict[str, Pixels]
    scores: dict[str, dict[str, float]] = field(default_factory=dict)


def chosen(pairs: Sequence[Pair], images: Mapping[str, Sequence[Pixels]]) -> list[Shown]:
    """The larger crops."""
    return [Shown("chosen", pair, {name: of[i] for name, of in images.items()}) for i, pair in enumerate(pairs)]


def extremes(pairs: Sequence[Pair], evaluated: Mapping[str, Evaluated]) -> list[Shown]:
    """The crops where the aligned model gained most over SFT, then those where it lost most."""
    after, before = evaluated["aligned"].metrics, evaluated["sft"].metrics
    order = sorted(range(len(pairs)), key=lambda i: after[i][_DECIDES] - before[i][_DECIDES])
    best, worst = order[: min(_EXTREMES, len(order) // 2)], order[::-1][:_EXTREMES]
    return [_shown("best", pairs, evaluated, i) for i in best] + [_shown("worst", pairs, evaluated, i) for i in worst]


def _shown(choice: Choice, pairs: Sequence[Pair], evaluated: Mapping[str, Evaluated], index: int) -> Shown:
    images = {name: one.images[index] for name, one in evaluated.items()}
    return Shown(choice, pairs[index], images, {name: one.metrics[index] for name, one in evaluated.items()})


def write_samples(run_dir: Path, shown: Sequence[Shown]) -> None:
    """A metric that a crop lacks is null (a failed score)."""
    folder = run_dir / "samples"
    folder.mkdir(exist_ok=True)
    index = []
    for number, one in enumerate(shown):
        pictures = {"lr": one.pair.lr, **one.images}
        if one.pair.gt is not None:
            pictures["gt"] = one.pair.gt
        files = {name: f"{number:02d}_{name}.png" for name in pictures}
        for name, pixels in pictures.items():
            Image.fromarray(pixels).save(folder / files[name])
        scores = {name: {score: of.get(score) for score in _SCORES} for name, of in one.scores.items()}
        index.append({"choice": one.choice, "image_id": one.pair.image_id, "images": files, "scores": scores})
    write_text(folder / "index.json", json.dumps(index, indent=1) + "\n")
