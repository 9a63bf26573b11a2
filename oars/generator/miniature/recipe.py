"""Recipe for training the miniature's base; the defaults suit two CPU cores."""

from dataclasses import dataclass

DECODER_STEPS = 2500
"""Of the VAE's decoder alone: so many of its skeleton, unless it has trained branches, then of its branches."""


@dataclass(frozen=True)
class BaseTraining:
    """Everything but `checkpoint_every` is part of the result."""

    steps: int = 1000
    batch: int = 12
    """Samples a step: half as many crops, each in two styles."""
    lr: float = 1e-3
    """Peak; a linear warm-up leads to it and a cosine down to 2 % of it."""
    seed: int = 0
    warmup: int = 50
    shards: int = 48
    """Pairs are made once, in shards of `pool.SHARD`."""
    ema_decay: float = 0.985
    checkpoint_every: int = 100
