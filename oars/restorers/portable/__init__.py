"""Published SR networks in plain torch. An export carries this folder as `pre_restoration`, with one network's files.

Invariant: needs torch and numpy alone, and its imports of itself are relative.
"""

from functools import cache
from pathlib import Path

import torch

from .ncnn import NcnnNetwork
from .upscaler import NetworkUpscaler, Pixels

FILES = ("network.param", "network.bin")
"""Of the network, in an export."""


def pre_restored(photo: Pixels) -> Pixels:
    """In an export: what its network makes of a photo, uint8 [h, w, 3] -> [4h, 4w, 3]."""
    [picture] = _network().upscale([photo])
    return picture


@cache
def _network() -> NetworkUpscaler:
    here = Path(__file__).parent
    return NetworkUpscaler(NcnnNetwork(*(here / file for file in FILES)).eval(), torch.float32, batch=1)
