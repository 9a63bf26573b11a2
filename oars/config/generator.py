"""Config of the policy: weights, conditioning, LoRA, sampling."""

from typing import Literal

from pydantic import Field, PositiveInt

from oars.config.base import Config, Precision

# The attention projections of both streams (DiffusionNFT's published recipe).
LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")


class LoraConfig(Config):
    """Where and how large the adapter is (paper: rank 32, alpha 64, on the base model)."""

    rank: PositiveInt = 32
    alpha: PositiveInt = 64
    targets: tuple[str, ...] = LORA_TARGETS


class GeneratorConfig(Config):
    """A `QwenImageEditPlusPipeline` directory and how the LR image conditions it."""

    path: str = "miniature"
    """Directory in diffusers' format, or `miniature` for the embedded one."""
    dtype: Precision = "native"
    """Precision of the transformer's arithmetic; weights of trained parameters stay float32."""
    prompt: str = "Restore this photo to high resolution."
    """The one edit instruction, the same for every image (ours; the paper does not state its prompt)."""
    text_image_area: PositiveInt = 384 * 384
    """Pixels of the condition image that the text encoder sees (diffusers: 384 * 384)."""
    lora: LoraConfig = LoraConfig()


class SamplerConfig(Config):
    """How candidates are drawn: no classifier-free guidance, deterministic given the initial noise."""

    solver: Literal["dpm2m", "euler"] = "dpm2m"
    """`dpm2m`: second-order multistep DPM-Solver on the flow schedule; Euler at both ends, and over long steps."""
    steps: int = Field(default=6, ge=2)
    """Denoising steps in rollouts (paper: 6). The shifted schedule has two ends, so there are at least two."""
    inference_steps: int = Field(default=40, ge=2)
    """Denoising steps in evaluation and `oars upscale` (paper: 40)."""
    batch: PositiveInt = 8
    """Candidates denoised at once; bounds memory, changes nothing else."""
    tile: PositiveInt = 512
    """Side of an output tile in `oars upscale`, pixels."""
    overlap: int = Field(default=64, ge=0)
    """Overlap of neighbouring output tiles, pixels."""
