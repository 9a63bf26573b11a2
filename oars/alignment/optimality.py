"""Turns a group's rewards into optimality in [0, 1], and filters out groups that teach nothing."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from oars.config.alignment import GroupFilterConfig, OptimalityConfig, Spread

Rewards = NDArray[np.float64]


def optimalities(groups: list[Rewards], config: OptimalityConfig) -> list[NDArray[np.float32]]:
    """r = 1/2 + 1/2 clip((R - group mean) / Z, -1, 1), Z = scale * (std + 1e-4), std as `config.spread` says.

    `groups` holds one float array of finite rewards [K_g] per group; a masked candidate is simply not in it. With
    `advantage_offset`, all of them lie higher by half that many standard deviations of the clipped differences (ours).
    """
    centred = [r - r.mean() for r in groups]
    pairs = zip(centred, _spreads(groups, centred, config.spread), strict=True)
    advantages = [np.clip(c / (config.scale * (spread + 1e-4)), -1.0, 1.0) for c, spread in pairs]
    pull = config.advantage_offset * np.std(np.concatenate(advantages))
    return [(0.5 + 0.5 * np.clip(a + pull, -1.0, 1.0)).astype(np.float32) for a in advantages]


def _spreads(groups: list[Rewards], centred: list[Rewards], spread: Spread) -> list[float]:
    """The standard deviation that each group's differences are measured in."""
    if spread == "group":
        return [float(np.std(c)) for c in centred]
    pooled = centred if spread == "within" else groups
    return [float(np.std(np.concatenate(pooled)))] * len(groups)


def signal(optimality: Iterable[float | None]) -> float:
    """Mean |2r - 1| in [0, 1], over those that have one: how far the objective tells candidates apart (ours)."""
    values = [abs(2 * r - 1) for r in optimality if r is not None]
    return float(np.mean(values)) if values else 0.0


def is_degenerate(rewards: Rewards, config: GroupFilterConfig, best: float) -> bool:
    """All good and all alike: nothing to learn from (paper; thresholds on R / `best`, the greatest reward there is)."""
    scaled = rewards / best
    return bool(scaled.mean() > config.max_mean and scaled.std() < config.min_std)
