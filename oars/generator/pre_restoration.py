"""Optional first stage of the generator: a deterministic SR network makes the picture that conditions the editor.

The editor then adds what a person prefers to a picture that is clean already (the two stages of DiffBIR, Lin et al.
2023). The judge and the learner's targets never see it: a transition stays LR -> SR.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oars.config.base import Precision
from oars.config.generator import PreRestoration
from oars.precision import compute_dtype
from oars.restorers.portable.upscaler import NetworkUpscaler
from oars.restorers.pretrained import load_network

Pixels = NDArray[np.uint8]

_BATCH = 16


def resize(image: Pixels, height: int, width: int) -> Pixels:
    """Bicubic, uint8 [h, w, 3] -> [height, width, 3]; the baseline that every model is compared with, too."""
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


class PreRestorer:
    """LR pictures -> condition pictures. `none` resizes alone (paper). Raises MissingNetwork when made."""

    def __init__(self, kind: PreRestoration, precision: Precision = "native") -> None:
        dtype = compute_dtype(precision)
        self._network = None if kind == "none" else NetworkUpscaler(load_network(kind), dtype, _BATCH)

    def restore(self, lrs: Sequence[Pixels], height: int, width: int) -> list[Pixels]:
        """uint8 [h, w, 3] each, of one size -> uint8 [height, width, 3] each."""
        pictures = self._network.upscale(lrs) if self._network else lrs
        return [resize(picture, height, width) for picture in pictures]
