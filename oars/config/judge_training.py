"""Config of the judge's training (`oars compass train`). The paper states none of it but full-parameter SFT: ours."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config.base import Config, Precision
from oars.config.cluster import LearnerConfig
from oars.config.generator import LoraConfig
from oars.config.loading import read_config

# The attention and MLP projections of Qwen3-VL's text model.
JUDGE_LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class PreparationConfig(Config):
    """How a new miniature, with random weights, is brought to where fine-tuning works: its vision tower alone."""

    steps: NonNegativeInt = 1600
    batch_groups: PositiveInt = 6
    learning_rate: PositiveFloat = 1e-4
    head_learning_rate: PositiveFloat = 3e-3
    """Of the pooled head, which is thrown away."""
    weight_decay: NonNegativeFloat = 0.05
    fitted_groups: PositiveInt = 600
    """Groups that the output layer is fitted to by least squares, at the end."""
    checkpoint_every: PositiveInt = 200


class TargetConfig(Config):
    """The distribution over score tokens that a label becomes. Distance-aware: neighbouring levels share it."""

    kind: Literal["two_hot", "gaussian"] = "two_hot"
    """two_hot: on the two levels around the label, with its expectation; gaussian: around it, by squared distance."""
    sigma: PositiveFloat = 0.5
    """Width of the Gaussian, in levels."""
    expectation_weight: NonNegativeFloat = 4.0
    """Weight of the squared error of the read-out expectation (in [0, 1]) beside the cross-entropy."""
    ranking_weight: NonNegativeFloat = 2.0
    """Weight of the loss of the order of Q_SR within a group: what reinforcement learning reads of the scores.
    Differences between inputs are larger than those between one input's candidates and would drown them."""
    fidelity_ranking_weight: NonNegativeFloat = 0.0
    """The same of F, in groups whose every candidate has a label. Alone it adds noise to the reward, as that order can
    hardly be told without the ground truth; beside ladders, which make F vary, it keeps F in the order of the
    labels."""
    ranking_scale: PositiveFloat = 0.05
    """Difference of two candidates, as a share of the score's range, at which the odds of the better one are e."""
    ladder_weight: NonNegativeFloat = 1.0
    """Weight of the loss of the order along ladders of ever more changed pictures
    (`oars/compass/training/perturbations.py`)."""
    explanation_weight: NonNegativeFloat = 0.2
    """Weight of the mean cross-entropy of the explanation's tokens, where a transition has one."""


class JudgeOptimiserConfig(Config):
    """AdamW with a linear warm-up and a cosine to `floor`; parts of the judge learn at different rates."""

    learning_rate: PositiveFloat = 4e-4
    """Of the text model. A pretrained judge wants about 1e-5."""
    vision_learning_rate: NonNegativeFloat = 4e-5
    """Of the vision tower and its mergers. A pretrained judge wants about 2e-6."""
    output_learning_rate: PositiveFloat = 1.2e-3
    """Of the output layer. A pretrained judge wants the text model's."""
    weight_decay: NonNegativeFloat = 0.02
    betas: tuple[float, float] = (0.9, 0.98)
    grad_clip: PositiveFloat = 1.0
    warmup: NonNegativeInt = 50
    floor: float = Field(default=0.02, ge=0, le=1)


class JudgeTrainingConfig(Config):
    """From which weights, on which labels, for how long."""

    init: str = "scratch"
    """A Qwen3-VL directory in transformers' format, or `miniature`, the embedded judge: straight to fine-tuning.
    `scratch`: a new miniature of the class, prepared first on the same data."""
    trained: Literal["all", "frozen_vision", "lora"] = "all"
    """Which parameters learn; `lora`: an adapter on the text model, merged when a judge is written."""
    lora: LoraConfig = LoraConfig(targets=JUDGE_LORA_TARGETS)
    seed: int = 0
    dtype: Precision = "native"
    """Precision of the arithmetic; weights that learn stay float32."""
    held_out_enhancers: tuple[str, ...] = ()
    """Enhancers whose transitions are left out of training and validation, to evaluate on methods never seen."""
    quality_label: Literal["calibrated", "anchor"] = "calibrated"
    """Target of Q_SR: the calibrated rank (alpha * rank + beta), or the anchor alone (Table 3's `plain`)."""
    steps: PositiveInt = 1500
    batch_groups: PositiveInt = 6
    """LR images a step."""
    micro_batch: PositiveInt = 6
    """Groups a forward pass; bounds memory."""
    candidates: PositiveInt = 8
    """Transitions of a group shown in one step, drawn from all it has."""
    ladder_length: NonNegativeInt = 0
    """Pictures of the ladder that each group of a step brings, the unchanged one among them; 0: no ladders."""
    sides: tuple[PositiveInt, ...] = ()
    """Sides of the random square windows shown, pixels, one drawn a step; repeat one to see it more often. Empty: whole
    pictures."""
    target: TargetConfig = TargetConfig()
    optimiser: JudgeOptimiserConfig = JudgeOptimiserConfig()
    preparation: PreparationConfig = PreparationConfig()
    evaluate_every: PositiveInt = 150
    """Steps between measurements on the validation photos; a checkpoint and, at a new best, the judge follow each."""
    validation_groups: PositiveInt = 64
    """At most so many validation groups are measured."""
    patience: NonNegativeInt = 0
    """Measurements without a new best after which training stops early; 0: never."""
    learner: LearnerConfig = LearnerConfig()
    start_deadline_s: PositiveFloat = 600.0
    step_deadline_s: PositiveFloat = 1800.0
    """Seconds that one step, measurement or checkpoint may take."""


def load_training(path: Path | str, overrides: list[str] | None = None) -> JudgeTrainingConfig:
    """Raises BadConfig with one line that names the file and the field."""
    return read_config(JudgeTrainingConfig, path, overrides)
