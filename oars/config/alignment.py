"""Config of the objective, the stages and the optimiser."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config.base import Config

StageName = Literal["cold_start", "fr_rl", "nr_rl"]


class OptimalityConfig(Config):
    """r = 1/2 + 1/2 clip((R - group mean) / Z, -1, 1), Z = scale * (std + 1e-4), std over the batch (Edit-R1)."""

    scale: PositiveFloat = 5.0
    advantage_offset: NonNegativeFloat = 0.0
    """Added to every clipped difference, in standard deviations of those of the batch (ours): that part of a step pulls
    the model to its own candidates, whatever their reward. 0: as published (docs/alignment.md)."""


class GroupFilterConfig(Config):
    """Drop a group whose rewards, scaled to [0, 1] (R / 5), are all high and all alike (paper)."""

    max_mean: float = 0.9
    min_std: float = 0.05
    """Groups with a mean above `max_mean` and a standard deviation below this are dropped (Edit-R1: std)."""


class OldPolicyConfig(Config):
    """theta_old <- eta theta_old + (1 - eta) theta, once an optimiser step."""

    at: Literal["worker", "learner", "moving"] = "worker"
    """Who evaluates v_old (and v_ref) at the training points. worker: the rollout worker, with the adapter that it
    sampled with. learner: the learner, which keeps the last S + 1 versions, with the one that sampled the group: the
    same gradient, for where rollouts are the bottleneck. moving: the learner, with `old` as it stands, whatever
    sampled the group: what others do, wrong by as much as the group is stale, yet without the pull back to a stale
    version that takes a large step's gain away (docs/asynchrony.md)."""
    schedule: Literal["linear", "copy", "delayed_linear"] = "linear"
    """linear: eta = min(slope * i, ceiling); copy: 0; delayed_linear: 0 until `delay`, then linear to 0.999."""
    slope: NonNegativeFloat = 0.001
    ceiling: float = Field(default=0.5, ge=0, le=1)
    delay: NonNegativeInt = 75


class ObjectiveConfig(Config):
    """DiffusionNFT (arXiv 2509.16117)."""

    beta: PositiveFloat = 1.0
    kl_weight: NonNegativeFloat = 1e-4
    """Weight of ||v_theta - v_ref||^2; 0 spares the reference forward passes."""
    clip_max: PositiveFloat = 5.0
    """Multiplies the policy loss (Edit-R1's adv_clip_max)."""
    timesteps: PositiveInt = 5
    """Training points per candidate, out of the rollout's own timesteps (5 of 6 in Edit-R1)."""
    normaliser: Literal["error", "time"] = "error"
    """What a candidate's squared error is divided by. error: its own mean error, at times of its own (as published).
    time: t, at times that the group's candidates share (ours): less is left in a step of what moves the pictures the
    same way whatever is rewarded (docs/alignment.md)."""
    normaliser_floor: PositiveFloat = 1e-5
    """Least mean error that is divided by."""
    optimality: OptimalityConfig = OptimalityConfig()
    group_filter: GroupFilterConfig = GroupFilterConfig()
    old_policy: OldPolicyConfig = OldPolicyConfig()
    ema: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the evaluation average of the adapter."""


class OptimiserConfig(Config):
    """AdamW, one step per batch of groups."""

    lr: PositiveFloat = 3e-4
    weight_decay: NonNegativeFloat = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    grad_clip: PositiveFloat = 1.0
    micro_batch: PositiveInt = 8
    """Training points (or cold-start crops) in one forward pass."""


class ColdStartConfig(Config):
    """Flow-matching SFT on LR-HR pairs; every parameter is trained, at a rate that falls linearly (ours)."""

    steps: NonNegativeInt = 1000
    batch: PositiveInt = 16
    optimiser: OptimiserConfig = OptimiserConfig(lr=1e-4)


class RLStageConfig(Config):
    """One RL stage; both stages train the same LoRA."""

    steps: NonNegativeInt = 100
    groups: PositiveInt = 8
    """Groups in one optimiser step."""


class StagesConfig(Config):
    rl_on: Literal["base", "sft"] = "base"
    """Weights under the LoRA that RL trains (both are in the paper's ablation). The aligned model is the SFT weights
    plus the LoRA either way, so on `base` its change must carry over to weights that it was not trained on."""
    cold_start: ColdStartConfig = ColdStartConfig()
    fr_rl: RLStageConfig = RLStageConfig()
    nr_rl: RLStageConfig = RLStageConfig()
