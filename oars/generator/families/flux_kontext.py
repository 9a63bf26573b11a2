"""FLUX.1 Kontext (`FluxKontextPipeline`): T5 and CLIP read the prompt alone; the picture enters by its latents.

Layout of the embedding [L + 1, D]: T5's hidden states, then CLIP's pooled one, filled up with zeros to D.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, FluxKontextPipeline, FluxTransformer2DModel
from numpy.typing import NDArray
from torch import Tensor, nn

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig

GUIDANCE = 2.5
"""What a guidance-distilled transformer is told, in rollouts, training and use alike (FLUX.1 Kontext's own)."""
_OUTPUT, _INPUT = 0, 1
"""First position of the tokens of the two pictures."""


class FluxKontext:
    """`Family`."""

    pipeline_class = FluxKontextPipeline
    transformer_class = FluxTransformer2DModel
    vae_class = AutoencoderKL
    encoders = ("text_encoder", "text_encoder_2")
    restore_script = Path(__file__).with_name("restore_flux_kontext.py")
    most_pictures = 1
    comfyui_prefix = "transformer."  # its layers have other names and fused q, k, v there; this prefix asks for the map

    def prepare(self, pipeline: FluxKontextPipeline) -> None:
        pipeline.text_encoder_2.to(pipeline.text_encoder.device)

    def embed(
        self, pipeline: FluxKontextPipeline, pictures: list[NDArray[np.uint8]], prompt: str, config: GeneratorConfig
    ) -> Tensor:
        hidden, pooled, _ = pipeline.encode_prompt(prompt=prompt, prompt_2=None, device=pipeline.text_encoder.device)
        return torch.cat([hidden[0], nn.functional.pad(pooled, (0, hidden.shape[-1] - pooled.shape[-1]))])

    def embedding_shape(self, transformer: Any) -> tuple[int, int]:
        return 5, int(transformer.config.joint_attention_dim)

    def inputs(self, transformer: Any, x_t: Tensor, t: Tensor, conditioning: list[Conditioning]) -> dict[str, Any]:
        embeds, grid = torch.stack([c.prompt_embeds for c in conditioning]).to(x_t), conditioning[0].grid
        config, prompt = transformer.config, embeds[:, :-1]
        return {
            "encoder_hidden_states": prompt,
            "pooled_projections": embeds[:, -1, : config.pooled_projection_dim],
            "txt_ids": prompt.new_zeros(prompt.shape[1], 3),
            "img_ids": torch.cat([_positions(grid, _OUTPUT), _positions(grid, _INPUT)]).to(x_t),
            "guidance": x_t.new_full((len(x_t),), GUIDANCE, dtype=torch.float32) if config.guidance_embeds else None,
        }

    def downsampling(self, vae: AutoencoderKL) -> int:
        return int(2 ** (len(vae.config.block_out_channels) - 1))

    def latent_channels(self, vae: AutoencoderKL) -> int:
        return int(vae.config.latent_channels)

    def normalised(self, vae: AutoencoderKL, latents: Tensor) -> Tensor:
        return (latents - vae.config.shift_factor) * vae.config.scaling_factor

    def denormalised(self, vae: AutoencoderKL, latents: Tensor) -> Tensor:
        return latents / vae.config.scaling_factor + vae.config.shift_factor

    def posterior_mean(self, vae: AutoencoderKL, pixels: Tensor) -> Tensor:
        mode: Tensor = vae.encode(pixels).latent_dist.mode().unsqueeze(2)
        return mode

    def decode(self, vae: AutoencoderKL, latents: Tensor) -> Tensor:
        pixels: Tensor = vae.decode(latents.squeeze(2), return_dict=False)[0]
        return pixels


FLUX_KONTEXT = FluxKontext()


def _positions(grid: tuple[int, int], picture: int) -> Tensor:
    """[N, 3]: picture, row, column of each token."""
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    return torch.stack([torch.full_like(rows, picture), rows, columns], dim=-1).flatten(0, 1)
