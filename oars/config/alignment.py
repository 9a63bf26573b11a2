"""Config of the objective, the stages and the optimiser."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config.base import Config, Decay
from oars.config.generator import LoraConfig

Spread = Literal["group", "within", "batch"]


class OptimalityConfig(Config):
    """r = 1/2 + 1/2 clip((R - group mean) / Z, -1, 1), Z = scale * (std + 1e-4), std as `spread` says."""

    spread: Spread = "group"
    """Rewards whose standard deviation is in Z. `group`: those of the candidate's own group (paper). `within`: all of
    the batch, each less its group's mean, so that a group of near equals teaches little (ours). `batch`: all of the
    batch as they are (Edit-R1), which in super-resolution differ mostly by how poor each LR is."""
    scale: PositiveFloat = 5.0
    """Factor on the standard deviation in Z (Edit-R1: 5)."""
    advantage_offset: NonNegativeFloat = 0.0
    """Added to every clipped difference, in standard deviations of the batch's differences (ours). It pulls the model
    towards its own candidates, whatever their reward. 0: as published (docs/results/alignment.md)."""


class GroupFilterConfig(Config):
    """Drops a group whose rewards, scaled to [0, 1] (R / reward.best), are all high and all alike (paper)."""

    max_mean: float = 0.9
    """Groups with a mean at or below this are kept (paper: 0.9)."""
    min_std: float = 0.05
    """Groups above `max_mean` with a standard deviation below this are dropped (Edit-R1: std)."""


class OldPolicyConfig(Config):
    """The policy that samples: theta_old <- eta theta_old + (1 - eta) theta, once an optimiser step."""

    at: Literal["latest", "sampler"] = "latest"
    """Which adapter v_old is evaluated with. latest: the learner evaluates v_old and v_ref with `old` as it stands,
    whichever version sampled the group; a stale group is not pulled back to the version that sampled it
    (docs/asynchrony.md). sampler: the rollout worker evaluates both with the adapter that it sampled with, which is
    the exact objective at any staleness. Where `old` equals the trained adapter (eta = 0), v_old is v_theta, detached,
    and costs no forward pass."""
    schedule: Literal["linear", "copy", "delayed_linear"] = "linear"
    """linear: eta = min(slope * i, ceiling); copy: 0; delayed_linear: 0 until `delay`, then linear to 0.999."""
    slope: NonNegativeFloat | None = None
    """Growth of eta per optimiser step. None: as published, 0.001 for `linear` and 0.0075 for `delayed_linear`."""
    ceiling: float = Field(default=0.5, ge=0, le=1)
    """Largest eta of `linear` (published)."""
    delay: NonNegativeInt = 75
    """Optimiser steps of `delayed_linear` with eta = 0."""


class FlowGrpoConfig(Config):
    """Flow-GRPO (arXiv 2505.05470): sampling steps with noise, and the clip of the policies' ratio."""

    noise: PositiveFloat = 0.7
    """a of the noise's rate a sqrt(t / (1 - t)) (published: 0.7)."""
    clip_range: PositiveFloat = 1e-4
    """A ratio beyond 1 +- this has no gradient that would take it further (published: 1e-4)."""


class ObjectiveConfig(Config):
    """DiffusionNFT (arXiv 2509.16117), or Flow-GRPO as the baseline."""

    kind: Literal["diffusion_nft", "flow_grpo"] = "diffusion_nft"
    """`diffusion_nft`: rollouts without noise; x_0 regression at any points (paper). `flow_grpo`: the first
    `timesteps` rollout steps carry noise, and their log-probabilities get a clipped policy gradient; it needs
    `old_policy.at: sampler`, and `beta`, `normaliser`, `normaliser_floor`, `shared_noise`, `without_mean` and
    `mean_weight` are not read."""
    flow_grpo: FlowGrpoConfig = FlowGrpoConfig()
    """Read by `flow_grpo` alone."""
    beta: PositiveFloat = 1.0
    """Distance of the positive and the negative branch from v_old; both meet there for beta = 0 (Edit-R1: 1)."""
    kl_weight: NonNegativeFloat = 1e-4
    """Weight of ||v_theta - v_ref||^2 (published: 1e-4); of the steps' KL divergence in Flow-GRPO (published: 0 to
    0.04). 0, with `mean_weight` 0, saves the reference's forward passes."""
    clip_max: PositiveFloat = 5.0
    """Factor on the policy loss (Edit-R1's adv_clip_max); in Flow-GRPO the greatest advantage."""
    timesteps: PositiveInt = 5
    """Training points a candidate, chosen from the rollout's own timesteps (Edit-R1: 5 of 6). In Flow-GRPO the first
    ones, at most `sampler.steps` - 2 (ours): noise in the last two steps would stay in the pictures."""
    normaliser: Literal["error", "time"] = "error"
    """Divisor of a candidate's squared error. `error`: its own mean error, at timesteps drawn for each candidate
    (published). `time`: t, at timesteps that the group's candidates share (ours): removes part of the step that is the
    same whatever is rewarded (docs/results/alignment.md)."""
    shared_noise: bool = False
    """Whether a group's candidates share the noise of their training points, so that a step follows from what differs
    between them (ours); published: each its own. Best with `normaliser: time`, which shares the timesteps."""
    without_mean: bool = False
    """Whether the loss leaves out the mean over tokens of a candidate's error (ours). What is the same in every token
    of a picture, its brightness, its cast and any lattice of a token's size, then gets no gradient."""
    mean_weight: NonNegativeFloat = 0.0
    """Weight of the squared distance between the means over tokens of v_theta and v_ref (ours). Holds brightness and
    cast where `without_mean` lets them go: what a LoRA learns of all else moves them, too."""
    normaliser_floor: PositiveFloat = 1e-5
    """Lower bound on the divisor, to avoid division by zero."""
    optimality: OptimalityConfig = OptimalityConfig()
    group_filter: GroupFilterConfig = GroupFilterConfig()
    old_policy: OldPolicyConfig = OldPolicyConfig()
    ema: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the adapter's evaluation average (published: 0.9)."""

    @property
    def needs_reference(self) -> bool:
        """Whether the loss reads v_ref."""
        return self.kl_weight > 0 or (self.kind == "diffusion_nft" and self.mean_weight > 0)

    @property
    def noisy_steps(self) -> int:
        """T, rollout steps that carry noise: all training points of Flow-GRPO, none of DiffusionNFT."""
        return self.timesteps if self.kind == "flow_grpo" else 0


class OptimiserConfig(Config):
    """AdamW, one step per batch of groups."""

    lr: PositiveFloat = 3e-4
    """Learning rate at its highest (published for RL: 3e-4)."""
    floor: float = Field(default=1.0, ge=0, le=1)
    """The rate falls linearly to 0 over the phase's steps, but not below this share of `lr`. 1: it is constant
    (published for RL)."""
    weight_decay: NonNegativeFloat = 1e-4
    """AdamW's decoupled weight decay."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """AdamW's moment decays."""
    eps: PositiveFloat = 1e-8
    """AdamW's divisor is at least this. Far above the gradient's elements, a step is `lr` / `eps` times the gradient's
    running mean: the noise of a small batch, which AdamW brings to the size of the signal, stays small."""
    grad_clip: PositiveFloat = 1.0
    """Largest gradient norm; a larger gradient is scaled down to it."""
    micro_batch: PositiveInt = 8
    """Training points (or cold-start crops) in one forward pass; bounds memory."""


class ColdStartOptimiserConfig(OptimiserConfig):
    """AdamW, one step per batch of LR-HR pairs."""

    lr: PositiveFloat = 1e-4
    """Learning rate at its highest (ours)."""
    floor: float = Field(default=0.02, ge=0, le=1)
    """As `optimiser.floor`. AdamW's last updates would leave their noise in the weights, seen as grain (ours)."""


class ColdStartConfig(Config):
    """Flow-matching SFT on LR-HR pairs."""

    weights: Path | None = None
    """Directory of SFT weights (a diffusers transformer) to take in place of training; no step is made."""
    trained: Literal["all", "lora"] = "all"
    """`all`: every parameter. `lora`: an adapter, merged into the SFT weights at the end, which one GPU can do."""
    lora: LoraConfig = LoraConfig(rank=128, alpha=128)
    """The adapter of `lora` (ours)."""
    zero_stage: Literal[0, 1, 2, 3] | None = None
    """DeepSpeed ZeRO stage of the cold start. None: `learner.zero_stage`, which is that of RL."""
    gpu_memory_utilization: float = Field(default=1.0, gt=0, le=1)
    """As `learner.gpu_memory_utilization`, for the cold start, when no rollout worker is there."""
    steps: NonNegativeInt = 1000
    """Optimiser steps; 0 skips the stage."""
    batch: PositiveInt = 16
    """LR-HR pairs in one optimiser step."""
    warmup: NonNegativeInt = 0
    """Optimiser steps in which the rate rises linearly from 0 before it falls."""
    optimiser: ColdStartOptimiserConfig = ColdStartOptimiserConfig()


class RLStageConfig(Config):
    """One RL stage; both stages train the same LoRA."""

    steps: NonNegativeInt = 100
    """Optimiser steps; 0 skips the stage."""
    groups: PositiveInt = 8
    """Groups in one optimiser step."""


class RefreshConfig(Config):
    """A refresh of the judge (ours): it learns the pictures that FR-RL kept, labelled by the measured metrics."""

    training: Path | None = None
    """Config of its training, YAML, as `oars compass refresh --config` takes it; `init` is the run's own judge. None:
    the embedded one, which goes on from the embedded judge."""


class StagesConfig(Config):
    """The three stages of progressive alignment, in order."""

    rl_on: Literal["base", "sft"] = "base"
    """Weights under the LoRA that RL trains (the paper's ablation has both). The aligned model is the SFT weights plus
    the LoRA either way; on `base` the LoRA is applied to weights that it was not trained on."""
    cold_start: ColdStartConfig = ColdStartConfig()
    fr_rl: RLStageConfig = RLStageConfig()
    refresh: RefreshConfig | None = None
    """Between the RL stages, so that NR-RL and the evaluation have a judge that knows the policy's pictures; `{}` with
    the embedded training. The application `reward.app` goes on with that judge after the run. None: no refresh."""
    nr_rl: RLStageConfig = RLStageConfig()

    @property
    def rl_steps(self) -> int:
        """Optimiser steps of both RL stages."""
        return self.fr_rl.steps + self.nr_rl.steps

    def rl(self, name: str) -> RLStageConfig:
        """The config of an RL stage by its name (oars/alignment/stage.py)."""
        config: RLStageConfig = getattr(self, name)
        return config
