"""Training points on a candidate's path: rollout timesteps and noise that follow from the group's seed.

The rollout worker evaluates v_old at these points and the learner rebuilds them, so both must agree to the bit.
"""

import torch
from torch import Tensor

from oars.alignment.flow_matching import interpolate
from oars.config import ObjectiveConfig
from oars.seeds import derive_seed, seeded_noise


def training_times(times: Tensor, seed: int, candidates: int, objective: ObjectiveConfig) -> Tensor:
    """[K, T]: T = `objective.timesteps` distinct times a candidate, or as many as there are, descending, out of the
    rollout's own [steps + 1] `times` (the final 0 excluded). For Flow-GRPO the first T, which carry the noise."""
    own = times[:-1]
    if objective.kind == "flow_grpo":
        return own[: objective.timesteps].expand(candidates, -1)

    def drawn(candidate: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(seed, "times", candidate))
        return own[torch.randperm(len(own), generator=generator)[: objective.timesteps].sort().values]

    return torch.stack([drawn(k if objective.normaliser == "error" else 0) for k in range(candidates)])


def training_point(x0: Tensor, t: Tensor, seed: int, candidate: int, point: int, objective: ObjectiveConfig) -> Tensor:
    """x_t [N, C] of one candidate at its point number `point`, time `t` (scalar)."""
    owner = 0 if objective.shared_noise else candidate
    noise = seeded_noise(tuple(x0.shape), seed, "train", owner, point)
    return interpolate(x0.unsqueeze(0), noise.to(x0).unsqueeze(0), t.reshape(1).to(x0))[0]
