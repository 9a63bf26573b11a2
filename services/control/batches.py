"""Scored groups on their way to the learner: as training groups, as numbers, and back from disk after a crash."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from oars.alignment.messages import TrainingGroup
from oars.alignment.optimality import optimalities
from oars.compass.outcome import Scored
from oars.config.alignment import OptimalityConfig
from services.control.experience import ScoredGroup
from services.control.protocols import BadSample, SampleStore
from services.run.ledger import NO_SPREAD, Finished


def training_groups(batch: list[ScoredGroup], config: OptimalityConfig) -> list[TrainingGroup]:
    """Rewards to optimality over the whole batch; a candidate without a score has none."""
    groups = []
    for group, values in zip(batch, optimalities([group.rewards for group in batch], config), strict=True):
        left = iter(values.tolist())
        optimality = tuple(next(left) if isinstance(outcome, Scored) else None for outcome in group.outcomes)
        groups.append(TrainingGroup(group.group_id, group.sample, optimality))
    return groups


@dataclass
class Restored:
    """Groups as they were before their driver, or the learner, was lost."""

    groups: list[ScoredGroup] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    """What is wrong with the sample, by the id of a group that cannot be trained any more."""


async def restored(finished: Sequence[Finished], samples: SampleStore) -> Restored:
    """Groups whose samples come from disk."""
    found = Restored()
    for each in finished:
        try:
            sample = await samples.restore(each.group_id)
        except BadSample as error:
            found.lost[each.group_id] = str(error)
            continue
        found.groups.append(ScoredGroup(each.group_id, each.ordinal, each.version, sample, each.outcomes))
    return found


def batch_numbers(batch: Sequence[ScoredGroup]) -> dict[str, float]:
    """Statistics of the batch's scores: means over candidates; spreads within groups, averaged over groups."""
    scored = [outcome for group in batch for outcome in group.scored]
    spreads = [float(group.rewards.std()) for group in batch]
    means = {name: float(np.mean([each.readings[name] for each in scored])) for name in scored[0].readings}
    return {
        "reward_mean": float(np.mean([outcome.reward for outcome in scored])),
        "reward_std": float(np.mean(spreads)),
        "zero_spread_ratio": float(np.mean([spread < NO_SPREAD for spread in spreads])),
        **means,
    }
