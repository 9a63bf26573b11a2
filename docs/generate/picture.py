"""Writes the README's picture out of a run of the demo: `python -m docs.generate.picture runs/RUN`."""

import sys
from pathlib import Path

import numpy as np

from oars.imaging.image_io import read_image
from oars.imaging.preview import side_by_side

SHOWN = 1
"""The held-out crop: a cat, scikit-image's chelsea.png (CC0)."""
MODELS = ("base", "aligned", "gt")


def picture(run: Path) -> np.ndarray:
    """Input, base, aligned and the photo in one row, uint8 [H, W, 3]."""
    lr, *others = (read_image(run / f"samples/{SHOWN:02}_{name}.png") for name in ("lr", *MODELS))
    return side_by_side(lr, np.stack(others))


if __name__ == "__main__":
    from PIL import Image

    Image.fromarray(picture(Path(sys.argv[1]))).save(Path(__file__).parents[1] / "demo.png", optimize=True)
