"""Pictures to packed latents and back, exactly as the pipelines do it.

Invariant: `encode` takes the mean of the posterior (the pipelines' `sample_mode="argmax"`), normalises with the VAE's
statistics, and packs 2x2 latent patches, so a token covers `pixels_per_token` pixels a side.
"""

from typing import Any

import numpy as np
import torch
from diffusers import QwenImageEditPlusPipeline
from numpy.typing import NDArray
from torch import Tensor

from oars.compat.diffusers import pack_latents
from oars.generator.families import family_of

Grid = tuple[int, int]


class Codec:
    """Owns the VAE. Pictures are uint8 [B, H, W, 3] with H and W multiples of `pixels_per_token`."""

    def __init__(self, vae: Any) -> None:
        self.vae = vae.eval().requires_grad_(False)
        self._family = family_of(vae)
        self.pixels_per_token = 2 * self._family.downsampling(vae)
        self.channels = 4 * self._family.latent_channels(vae)

    def grid(self, height: int, width: int) -> Grid:
        """Rows and columns of tokens. Raises ValueError for a side that is no multiple of a token."""
        if height % self.pixels_per_token or width % self.pixels_per_token:
            raise ValueError(f"{height}x{width} pixels: sides must be multiples of {self.pixels_per_token}")
        return height // self.pixels_per_token, width // self.pixels_per_token

    def posterior_mean(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, W] in [-1, 1] -> [B, z, 1, H', W']."""
        return self._family.posterior_mean(self.vae, pixels)

    @torch.no_grad()
    def encode(self, images: NDArray[np.uint8]) -> Tensor:
        """uint8 [B, H, W, 3] -> float32 [B, N, C], N = rows * columns, C = 4 * z."""
        pixels = torch.tensor(images, device=self.vae.device).permute(0, 3, 1, 2).to(self.vae.dtype) / 127.5 - 1.0
        rows, columns = self.grid(*pixels.shape[-2:])
        latents = self._family.normalised(self.vae, self.posterior_mean(pixels).float())
        batch, z = latents.shape[:2]
        return pack_latents(latents, batch, z, 2 * rows, 2 * columns)

    @torch.no_grad()
    def decode(self, latents: Tensor, grid: Grid) -> NDArray[np.uint8]:
        """float [B, N, C] -> uint8 [B, H, W, 3], rounded, clipped.

        One picture after the other: a picture is work enough for a device, and its activations, 2.2 GB at 512 x 512,
        are the most that a rollout worker holds beside its weights.
        """
        return np.concatenate([self._decoded(one, grid) for one in latents.split(1)])

    def _decoded(self, latents: Tensor, grid: Grid) -> NDArray[np.uint8]:
        height, width = (side * self.pixels_per_token for side in grid)
        spatial = QwenImageEditPlusPipeline._unpack_latents(latents.float(), height, width, self.pixels_per_token // 2)
        spatial = self._family.denormalised(self.vae, spatial).to(self.vae.dtype)
        pixels = self._family.decode(self.vae, spatial).float()
        # The operations of the pipelines' image processor, in their order: others round some pixels to another level.
        rounded = ((pixels * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        return rounded.permute(0, 2, 3, 1).cpu().numpy()
