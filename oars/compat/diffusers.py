"""The private part of diffusers: `tests/unit/compat` fails with "diffusers changed X" when it goes."""

from diffusers import QwenImageEditPlusPipeline
from torch import Tensor


def pack_latents(latents: Tensor, batch: int, channels: int, height: int, width: int) -> Tensor:
    """[B, C, H, W] -> tokens [B, H W / 4, 4 C]. The pipeline's own way, so that ours cannot come apart from it."""
    packed: Tensor = QwenImageEditPlusPipeline._pack_latents(latents, batch, channels, height, width)
    return packed
