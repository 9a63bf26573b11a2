"""How far apart a group's candidates are drawn (ours): `rollout.exploration`.

Candidates of a model that restores faithfully differ by a few grey levels, and then chance decides what a step learns.
So each candidate may get its noise at a scale of its own, which decides between smooth and grainy, and see the
condition picture softer or sharper than it is. The learner gets all of them with the group's common conditioning: the
policy learns to make, without such help, what was scored best. DiffusionNFT asks nothing of how x_0 was drawn.
"""

from math import gcd

import numpy as np

from oars.alignment.messages import RolloutRequest
from oars.config import RunConfig
from oars.config.cluster import ExplorationConfig


def exploration(config: RunConfig, request: RolloutRequest) -> ExplorationConfig:
    """The run's where the request explores; none for Flow-GRPO, whose ratio is that of two policies at one
    conditioning."""
    explores = request.explores and config.objective.noisy_steps == 0
    return config.rollout.exploration if explores else ExplorationConfig()


def noise_scales(wide: ExplorationConfig, candidates: int) -> list[float]:
    """Scale of each candidate's initial noise, evenly spaced over the bounds."""
    return [float(scale) for scale in np.linspace(*wide.noise_scale, candidates)]


def sharpnesses(wide: ExplorationConfig, candidates: int) -> list[float]:
    """Amount of each candidate's unsharp mask, evenly spaced over the bounds, in an order that does not follow the
    noise's."""
    amounts = np.linspace(*wide.sharpness, candidates)
    return [float(amounts[k * _stride(candidates) % candidates]) for k in range(candidates)]


def _stride(candidates: int) -> int:
    """Coprime to K, near 0.618 K: neighbours in one order are far apart in the other."""
    near = range(max(1, round(0.618 * candidates)), candidates + 2)
    return next(stride for stride in near if gcd(stride, candidates) == 1)
