"""From the rewards of a group to what the objective needs: optimality in [0, 1], and which groups to train on."""

import numpy as np
from numpy.typing import NDArray

from oars.config.alignment import GroupFilterConfig, OptimalityConfig

Rewards = NDArray[np.float64]


def optimalities(groups: list[Rewards], config: OptimalityConfig) -> list[NDArray[np.float32]]:
    """r = 1/2 + 1/2 clip((R - group mean) / Z, -1, 1), Z = scale * (std + 1e-4), std over the whole batch (Edit-R1).

    `groups` holds one float array of finite rewards [K_g] per group; a masked candidate is simply not in it. With
    `advantage_offset`, all of them lie higher by half that many standard deviations of the clipped differences (ours).
    """
    spread = config.scale * (np.std(np.concatenate(groups)) + 1e-4)
    advantages = [np.clip((r - r.mean()) / spread, -1.0, 1.0) for r in groups]
    pull = config.advantage_offset * np.std(np.concatenate(advantages))
    return [(0.5 + 0.5 * np.clip(a + pull, -1.0, 1.0)).astype(np.float32) for a in advantages]


def is_degenerate(rewards: Rewards, config: GroupFilterConfig, best: float) -> bool:
    """All good and all alike: nothing to learn from (paper; thresholds on R / `best`, the greatest reward there is)."""
    scaled = rewards / best
    return bool(scaled.mean() > config.max_mean and scaled.std() < config.min_std)
