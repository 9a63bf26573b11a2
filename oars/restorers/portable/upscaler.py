"""Pictures through an SR network, in batches."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Pixels = NDArray[np.uint8]


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
