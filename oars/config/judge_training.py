"""Config of the miniature judge's training from scratch. Every number is ours."""

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config.base import Config


class JudgeTrainingConfig(Config):
    """How many transitions, how long, how fast."""

    groups: PositiveInt = 2400
    """LR images, each degraded from a crop of a training photo."""
    candidates: PositiveInt = 8
    """Transitions a group."""
    held_out: tuple[str, ...] = ("skimage/data/coffee.png", "Bridge_by_Sander_Klootwijk.jpg")
    """Training photos that the judge does not see, to measure it on."""
    held_out_groups: PositiveInt = 80
    steps: PositiveInt = 1500
    batch_groups: PositiveInt = 6
    augmentations: PositiveInt = 2
    """Times that each picture is shown to the resting vision tower, turned and coloured differently."""
    vision_steps: NonNegativeInt = 1600
    """Steps of the vision tower alone, before."""
    vision_learning_rate: PositiveFloat = 1e-4
    vision_weight_decay: NonNegativeFloat = 0.05
    pooled_learning_rate: PositiveFloat = 3e-3
    """Of the head that is thrown away."""
    learning_rate: PositiveFloat = 4e-4
    """Of the text model."""
    head_learning_rate: PositiveFloat = 1.2e-3
    """Of the output layer."""
    warmup: NonNegativeInt = 50
    weight_decay: NonNegativeFloat = 0.02
    beta2: float = Field(default=0.98, gt=0, lt=1)
    clip: PositiveFloat = 1.0
    """Bound on the gradient norm."""
    expectation_weight: NonNegativeFloat = 4.0
    """Weight of the squared error of the expectations beside the cross-entropy of the distributions."""
    size_shares: tuple[float, ...] = (0.7, 0.25, 0.05)
    """Share of steps on 64, 96 and 128 px pictures."""
    checkpoint_every: PositiveInt = 100
