"""Limits the groups in flight and tells which are too old to train. Pure: all state comes in as arguments.

A group is in flight from its admission until it is trained or dropped, so a batch in training is in flight. Let B be
the batch, S the greatest staleness and v the learner's version when a group is admitted. If at most (S + 1) B groups
are in flight, this one included, then at most (S + 1) B - 1 can be trained before it: it is in the (S + 1)-th batch
from now at the latest, and that batch is trained at version v + S. It is sampled with version v or newer, so its
staleness is at most S. S = 0 is the synchronous algorithm: nothing is sampled while a batch trains.

The bound holds for groups that are trained in the order of admission. Groups finish in any order, so `sweep` tests
every group once more right before its batch leaves. Without a bound a stage admits all that it can still train.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Sampled(Protocol):
    """Anything that knows which version sampled it."""

    @property
    def version(self) -> int: ...


GroupT = TypeVar("GroupT", bound=Sampled)


@dataclass(frozen=True)
class Admission:
    """The admission rule of one stage."""

    max_staleness: float
    """S; infinite for no bound."""
    batch: int

    def capacity(self, in_flight: int, steps_left: int) -> int:
        """Groups that may be admitted now; `steps_left` counts the step in training.

        No more are admitted than the stage can still train, so a stage ends with nothing in flight.
        """
        return max(0, int(min(self.max_staleness + 1, steps_left)) * self.batch - in_flight)


def staleness(learner_version: int, sampled_version: int) -> int:
    """Versions between the sampling of a group and its training."""
    return learner_version - sampled_version


def sweep(groups: Iterable[GroupT], learner_version: int, max_staleness: float) -> tuple[list[GroupT], list[GroupT]]:
    """(fresh, stale), each in the given order; fresh means a staleness of at most `max_staleness`."""
    fresh: list[GroupT] = []
    stale: list[GroupT] = []
    for group in groups:
        (fresh if staleness(learner_version, group.version) <= max_staleness else stale).append(group)
    return fresh, stale
