"""The report of one optimiser step, the same on every rank."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepReport:
    """Means over the step's training points (RL) or crops (cold start)."""

    step: int
    """Optimiser steps of this phase so far, this one included."""
    version: int
    """Newest published version; -1 in the cold start."""
    loss: dict[str, float]
    """`total`, and in RL its parts: `policy`, `positive`, `negative`, `kl`; of Flow-GRPO `policy`, `kl`, the mean
    `ratio` and the share `clipped`."""
    grad_norm: float
    """Gradient norm before clipping."""
    drift: dict[str, float]
    """RL: `trained_velocity_norm` and `old_distance`, root mean squares of v_theta and of v_theta - v_old."""
    seconds: float
    eta: float = 0.0
    """RL: how much of the old policy was kept after this step."""
