"""Pictures and latents: what the decoder holds at a time."""

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor, nn

from oars.generator.codec import Codec
from oars.miniature import miniature_path

SIDE = 32


def test_pictures_are_decoded_one_by_one() -> None:
    codec = Codec(AutoencoderKLQwenImage.from_pretrained(miniature_path("generator"), subfolder="vae"))
    at_once: list[int] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        at_once.append(len(inputs[0]))

    codec.vae.post_quant_conv.register_forward_pre_hook(record)
    grid = codec.grid(SIDE, SIDE)
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn((3, grid[0] * grid[1], codec.channels), generator=draw)
    together = codec.decode(latents, grid)
    assert at_once == [1, 1, 1]
    assert together.shape == (3, SIDE, SIDE, 3)
    np.testing.assert_array_equal(together, np.concatenate([codec.decode(one[None], grid) for one in latents]))
