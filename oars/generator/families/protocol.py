"""What differs from one kind of generator to the next. Everything else is shared: schedule and solvers, packing of
latents, LoRA roles, merging, tiles.

Shared by all kinds, and so no part of it: a flow-matching transformer over packed 2x2 latent tokens, whose sequence is
the output's tokens followed by the input's.
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from diffusers import DiffusionPipeline, ModelMixin
from numpy.typing import NDArray
from torch import Tensor

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig


class Family(Protocol):
    """A kind of generator; without state."""

    @property
    def pipeline_class(self) -> type[DiffusionPipeline]: ...
    @property
    def transformer_class(self) -> type[ModelMixin]: ...
    @property
    def vae_class(self) -> type[ModelMixin]: ...
    @property
    def encoders(self) -> tuple[str, ...]:
        """The pipeline's text encoders by name; the first is the one that callers place on a device."""

    @property
    def restore_script(self) -> Path:
        """Plain diffusers code that an export carries."""

    @property
    def most_pictures(self) -> int:
        """How many pictures the pipeline takes for one edit, as its model was trained."""

    @property
    def comfyui_prefix(self) -> str:
        """What stands before a layer's name of diffusers' in the LoRA keys that ComfyUI maps for this model."""

    def prepare(self, pipeline: Any) -> None:
        """Whatever the pipeline's text encoders need once they lie where they will run."""

    def embed(self, pipeline: Any, pictures: list[NDArray[np.uint8]], prompt: str, config: GeneratorConfig) -> Tensor:
        """[L, D]: prompt and pictures, uint8 [H, W, 3] each, as the transformer is conditioned on them. Its layout is
        the family's own; `inputs` reads it."""

    def embedding_shape(self, transformer: Any) -> tuple[int, int]:
        """A short [L, D] that `inputs` can read."""

    def inputs(self, transformer: Any, x_t: Tensor, t: Tensor, conditioning: list[Conditioning]) -> dict[str, Any]:
        """The transformer's arguments beside `hidden_states` and `timestep`, for x_t [B, N, C] and t [B]."""

    def downsampling(self, vae: Any) -> int:
        """Pixels a side of one latent."""

    def latent_channels(self, vae: Any) -> int: ...

    def normalised(self, vae: Any, latents: Tensor) -> Tensor:
        """The VAE's latents, float32 [B, z, 1, H', W'], as the transformer takes them: by the pipeline's own operations
        in their order, as others give other last bits."""

    def denormalised(self, vae: Any, latents: Tensor) -> Tensor:
        """The inverse of `normalised`, likewise."""

    def posterior_mean(self, vae: Any, pixels: Tensor) -> Tensor:
        """[B, 3, H, W] in [-1, 1] -> [B, z, 1, H', W']."""

    def decode(self, vae: Any, latents: Tensor) -> Tensor:
        """[B, z, 1, H', W'] -> [B, 3, H, W] in about [-1, 1]."""
