"""Random photo crops as tensors, seeded by step, so that an interrupted build resumes with the same data."""

import torch
from torch import Tensor

from oars.imaging.photo import Photo
from oars.seeds import derive_seed


class CropSource:
    """Square crops of train photos; photos are held decoded."""

    def __init__(self, photos: list[Photo], seed: int) -> None:
        self._pixels = [torch.from_numpy(photo.pixels().copy()) for photo in photos]
        self._weights = torch.tensor([float(p.shape[0] * p.shape[1]) for p in self._pixels]).sqrt()
        self._seed = seed

    def __call__(self, step: int, batch: int, side: int) -> Tensor:
        """uint8 [B, side, side, 3]; a photo's share grows with the square root of its pixels; flips and turns."""
        generator = torch.Generator().manual_seed(derive_seed("crops", self._seed, step))
        picks = torch.multinomial(self._weights, batch, replacement=True, generator=generator)
        return torch.stack([self._crop(self._pixels[pick], side, generator) for pick in picks])

    @staticmethod
    def _crop(pixels: Tensor, side: int, generator: torch.Generator) -> Tensor:
        top, left = (int(torch.randint(n - side + 1, (1,), generator=generator)) for n in pixels.shape[:2])
        crop = pixels[top : top + side, left : left + side]
        turns, flip = (int(torch.randint(n, (1,), generator=generator)) for n in (4, 2))
        return torch.rot90(crop.flip(1) if flip else crop, turns).contiguous()


def to_signed(pixels: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0
