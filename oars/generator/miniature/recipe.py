"""Recipe for training the miniature's base; the defaults suit two CPU cores."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BaseTraining:
    """Everything but `checkpoint_every` is part of the result."""

    steps: int = 2400
    batch: int = 12
    """Crops a step."""
    lr: float = 1e-3
    """Peak; a linear warm-up leads to it and a cosine down to 2 % of it."""
    seed: int = 0
    warmup: int = 50
    shards: int = 96
    """Pairs are made once, in shards of `pool.SHARD`."""
    perceptual_from: float = 0.4
    """Share of the steps after which the decoded clean estimate is held against the GT, too."""
    perceptual_weight: float = 0.3
    """Weight of ST-LPIPS of that estimate beside the flow-matching loss."""
    ema_decay: float = 0.995
    checkpoint_every: int = 100

    def perceptual_at(self, step: int) -> float:
        """Weight of the perceptual loss in `step`."""
        return self.perceptual_weight if step >= self.perceptual_from * self.steps else 0.0
