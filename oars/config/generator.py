"""Config of the policy: weights, conditioning, LoRA, sampling."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from oars.config.base import Config, Precision

# The attention projections of both streams (DiffusionNFT's published recipe).
LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")


PreRestoration = Literal["none", "x4plus", "x4plus-anime", "animevideov3"]


class LoraConfig(Config):
    """Placement and size of the adapter (paper: rank 32, alpha 64, on the base model)."""

    rank: PositiveInt = 32
    """Rank of the two factors."""
    alpha: PositiveInt = 64
    """The adapter's output is scaled by alpha / rank."""
    targets: tuple[str, ...] = LORA_TARGETS
    """Names of the linear layers that get an adapter (DiffusionNFT's recipe)."""


class GeneratorConfig(Config):
    """A `QwenImageEditPlusPipeline` or `FluxKontextPipeline` directory and how the LR image conditions it."""

    path: str = "miniature"
    """Directory in diffusers' format, `hf://ORGANISATION/NAME@COMMIT` of a hub after `oars models pull`, or `miniature`
    for the embedded one."""
    dtype: Precision = "native"
    """Precision of the transformer's arithmetic; trained parameters stay float32."""
    prompt: str = "Restore this photo to high resolution."
    """The edit instruction, the same for every image (ours; the paper does not state its prompt)."""
    text_image_area: PositiveInt = 384 * 384
    """Area of the condition image that the text encoder sees, pixels (diffusers: 384 * 384); FLUX's see none."""
    pre_restoration: PreRestoration = "none"
    """Network that restores the LR before it conditions the editor; `none` resizes it alone (paper). The others are
    Real-ESRGAN's published x4 networks."""
    show_lr: bool = False
    """Show the editor the LR itself, resized, as a second picture: a network takes from a picture what it holds for
    damage. Needs `pre_restoration`, and an editor of several pictures, as Qwen-Image-Edit-2509 is."""
    lora: LoraConfig = LoraConfig()

    @property
    def pictures(self) -> int:
        """That the editor sees."""
        return 1 + self.show_lr

    @model_validator(mode="after")
    def _second_picture_is_another(self) -> Self:
        if self.show_lr and self.pre_restoration == "none":
            raise ValueError("show_lr: without pre_restoration the LR is the first picture already")
        return self


class SamplerConfig(Config):
    """Sampling, deterministic given the initial noise; candidates without classifier-free guidance."""

    solver: Literal["dpm2m", "euler"] = "dpm2m"
    """`dpm2m`: second-order multistep DPM-Solver on the flow schedule, with Euler at both ends and over long steps.
    `euler`: Euler throughout. Rollouts of Flow-GRPO take their steps with noise by Euler-Maruyama."""
    steps: int = Field(default=6, ge=2)
    """Denoising steps in rollouts (paper: 6); at least 2, because the shifted schedule has two ends."""
    inference_steps: int = Field(default=40, ge=2)
    """Denoising steps in evaluation and `oars upscale` (paper: 40)."""
    inference_cfg: float = Field(default=1.0, ge=1)
    """Scale of true classifier-free guidance in evaluation and `oars upscale`; 1 is without, as the paper has it. More
    than 1 costs a second pass a step."""
    base_cfg: float = Field(default=1.0, ge=1)
    """The same for `base` in the held-out table, so that it is compared as it is meant to be run: Qwen-Image-Edit with
    4."""
    negative_prompt: str = Field(default=" ", min_length=1)
    """Instruction of the pass that guidance leads away from (Qwen-Image-Edit's: a space)."""
    batch: PositiveInt = 8
    """Candidates denoised at once; bounds memory, changes nothing else."""
    tile: PositiveInt = 512
    """Side of an output tile in `oars upscale`, pixels."""
    overlap: int = Field(default=64, ge=0)
    """Overlap of neighbouring output tiles, pixels."""
