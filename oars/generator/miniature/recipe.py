"""Recipe for training the miniature's base; the defaults suit two CPU cores."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BaseTraining:
    """Everything but `workers` and `checkpoint_every` is part of the result."""

    steps: int = 2400
    lr: float = 1e-3
    """Peak; a linear warm-up leads to it and a cosine down to 2 % of it."""
    seed: int = 0
    warmup: int = 50
    batch_factor: int = 1
    """Multiplies the batches of `batches.SIZES`."""
    repeats: int = 1
    """Steps that see one draw of pairs, each with other noise and times and a quarter turn further: for a device that
    takes pairs faster than the processors degrade them."""
    ema_decay: float = 0.995
    workers: int = 0
    """Processes that make pairs; 0: the training process itself."""
    checkpoint_every: int = 100
