"""`samples/`: held-out crops as PNG, one file a model, and `index.json`, which the report reads."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oars.files import write_text
from oars.imaging.crops import Pair

# What a person looks through, and what keeps report.html small enough to mail.
_SHOWN = 8
_SCORES = ("reward", "fidelity", "q_sr", "psnr", "stlpips")

Pixels = NDArray[np.uint8]


def write_samples(
    run_dir: Path, pairs: list[Pair], models: dict[str, tuple[list[Pixels], list[dict[str, float]]]]
) -> None:
    """`models`: images and metrics of every pair, by model. A metric that a crop lacks is null (a failed score)."""
    folder = run_dir / "samples"
    folder.mkdir(exist_ok=True)
    index = []
    for number, pair in enumerate(pairs[:_SHOWN]):
        pictures = {"lr": pair.lr, **{name: images[number] for name, (images, _) in models.items()}}
        if pair.gt is not None:
            pictures["gt"] = pair.gt
        files = {name: f"{number:02d}_{name}.png" for name in pictures}
        for name, pixels in pictures.items():
            Image.fromarray(pixels).save(folder / files[name])
        scores = {
            name: {score: metrics[number].get(score) for score in _SCORES} for name, (_, metrics) in models.items()
        }
        index.append({"image_id": pair.image_id, "images": files, "scores": scores})
    write_text(folder / "index.json", json.dumps(index, indent=1) + "\n")
