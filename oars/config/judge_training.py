"""Config of the judge's training (`oars compass train`). The paper states none of it but full-parameter SFT: ours."""

import math
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config.base import Config, Decay, Precision
from oars.config.cluster import LearnerConfig
from oars.config.generator import LoraConfig
from oars.config.loading import read_config

# The attention and MLP projections of Qwen3-VL's text model.
JUDGE_LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class PreparationConfig(Config):
    """Preparation of a new miniature with random weights, before fine-tuning: its vision tower alone."""

    steps: NonNegativeInt = 1600
    """Optimiser steps."""
    batch_groups: PositiveInt = 6
    """LR images in a step."""
    learning_rate: PositiveFloat = 1e-4
    """Rate of the vision tower."""
    head_learning_rate: PositiveFloat = 3e-3
    """Rate of the pooled head, which is discarded afterwards."""
    weight_decay: NonNegativeFloat = 0.05
    """AdamW's decoupled weight decay."""
    fitted_groups: PositiveInt = 600
    """Groups to which the output layer is fitted by least squares, at the end."""
    checkpoint_every: PositiveInt = 200
    """Steps between checkpoints."""


class TargetConfig(Config):
    """The distribution over score tokens that a label becomes. Neighbouring levels share its mass, so a near miss costs
    less than a far one."""

    kind: Literal["two_hot", "gaussian"] = "two_hot"
    """`two_hot`: mass on the two levels around the label, with the label as expectation. `gaussian`: mass by squared
    distance from the label."""
    sigma: PositiveFloat = 0.5
    """Width of the Gaussian, in levels."""
    expectation_weight: NonNegativeFloat = 4.0
    """Weight of the squared error of the expectation (in [0, 1]) beside the cross-entropy."""
    ranking_weight: NonNegativeFloat = 2.0
    """Weight of the loss on the order of Q_SR within a group. Reinforcement learning uses that order; differences
    between inputs are larger and would drown it."""
    fidelity_ranking_weight: NonNegativeFloat = 0.0
    """Weight of the same loss on F, in groups whose candidates all have a label. Alone it adds noise to the reward,
    because that order is hard to tell without the ground truth; beside ladders, which make F vary, it keeps F in the
    order of the labels."""
    ranking_scale: PositiveFloat = 0.05
    """Difference of two candidates, as a share of the score's range, at which the odds of the better one are e."""
    ladder_weight: NonNegativeFloat = 1.0
    """Weight of the loss on the order along perturbation ladders."""
    explanation_weight: NonNegativeFloat = 0.2
    """Weight of the mean cross-entropy of an explanation's tokens, for transitions that have one."""


class JudgeOptimiserConfig(Config):
    """AdamW with a linear warm-up and a cosine to `floor`; parts of the judge learn at different rates."""

    learning_rate: PositiveFloat = 4e-4
    """Rate of the text model (a pretrained judge: about 1e-5)."""
    vision_learning_rate: NonNegativeFloat = 4e-5
    """Rate of the vision tower and its mergers (a pretrained judge: about 2e-6)."""
    output_learning_rate: PositiveFloat = 1.2e-3
    """Rate of the output layer (a pretrained judge: that of the text model)."""
    weight_decay: NonNegativeFloat = 0.02
    """AdamW's decoupled weight decay."""
    betas: tuple[Decay, Decay] = (0.9, 0.98)
    """AdamW's moment decays."""
    grad_clip: PositiveFloat = 1.0
    """Largest gradient norm."""
    warmup: NonNegativeInt = 50
    """Steps of linear warm-up."""
    floor: float = Field(default=0.02, ge=0, le=1)
    """Final rate as a share of the first."""


class JudgeTrainingConfig(Config):
    """Initial weights, labels and length of the judge's training."""

    init: str = "scratch"
    """A Qwen3-VL directory in transformers' format, or `miniature`, the embedded judge: straight to fine-tuning.
    `scratch`: a new miniature of the class, prepared first on the same data."""
    trained: Literal["all", "frozen_vision", "lora"] = "all"
    """Parameters that learn. `lora`: an adapter on the text model, merged when a judge is written."""
    lora: LoraConfig = LoraConfig(targets=JUDGE_LORA_TARGETS)
    """The adapter, when `trained` is `lora`."""
    seed: int = 0
    """Seed of every draw."""
    dtype: Precision = "native"
    """Precision of the arithmetic; weights that learn stay float32."""
    held_out_enhancers: tuple[str, ...] = ()
    """Enhancers left out of training and validation, to evaluate on methods never seen."""
    quality_label: Literal["calibrated", "anchor"] = "calibrated"
    """Target of Q_SR: the calibrated rank (alpha * rank + beta), or the anchor alone (`plain` in the paper's Table
    3)."""
    steps: PositiveInt = 1500
    """Optimiser steps at most."""
    batch_groups: PositiveInt = 6
    """LR images in a step."""
    micro_batch: PositiveInt = 6
    """Groups in a forward pass; bounds memory."""
    candidates: PositiveInt = 8
    """Transitions of a group shown in one step, drawn from all it has."""
    ladder_length: NonNegativeInt = 0
    """Pictures in the perturbation ladder that each group of a step adds, the unperturbed one included; 0: no
    ladders."""
    sides: tuple[PositiveInt, ...] = ()
    """Sides of the random square windows shown, pixels; one is drawn a step. Repeat one to see it more often. Empty:
    whole pictures."""
    target: TargetConfig = TargetConfig()
    optimiser: JudgeOptimiserConfig = JudgeOptimiserConfig()
    preparation: PreparationConfig = PreparationConfig()
    evaluate_every: PositiveInt = 150
    """Steps between measurements on the validation photos. A checkpoint follows each and, at a new best, the judge."""
    validation_groups: PositiveInt = 64
    """Validation groups measured at most."""
    patience: NonNegativeInt = 0
    """Measurements without a new best before training stops early; 0: never."""
    learner: LearnerConfig = LearnerConfig()
    start_deadline_s: PositiveFloat = 600.0
    """Seconds that the ranks may take to start."""
    step_deadline_s: PositiveFloat = 1800.0
    """Seconds that one step, the measurement of a group a rank, or a checkpoint may take."""

    @property
    def cpus(self) -> int:
        """Logical CPUs that the ranks reserve together, and one for the rest."""
        return math.ceil(self.learner.ranks * self.learner.resources.num_cpus) + 1


def load_training(path: Path | str, overrides: list[str] | None = None) -> JudgeTrainingConfig:
    """Raises BadConfig with one line that names the file and the field."""
    return read_config(JudgeTrainingConfig, path, overrides)
