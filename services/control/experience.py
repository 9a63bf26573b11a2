"""Scored groups waiting for a batch, in the order of admission.

A batch leaves only whole. The staleness sweep happens inside `take`, right before the batch leaves, and again on every
call, so no group can grow stale between the sweep and the learner.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oars.compass.outcome import CandidateOutcome, Scored
from services.control.admission import sweep


@dataclass(frozen=True)
class ScoredGroup:
    """A group that may be trained. The candidates themselves stay in the object store, which spills to disk."""

    group_id: str
    ordinal: int
    version: int
    """The version that sampled it."""
    sample: object
    """ObjectRef of its TrainingSample."""
    outcomes: tuple[CandidateOutcome, ...]
    """[K]"""

    @property
    def scored(self) -> list[Scored]:
        """The candidates that have a score, in order."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Scored)]

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Values of the scored candidates."""
        return np.array([outcome.reward for outcome in self.scored])


@dataclass(frozen=True)
class Batch:
    """A batch, and the groups that the sweep found too old."""

    groups: list[ScoredGroup]
    stale: list[ScoredGroup]


@dataclass
class ExperienceBuffer:
    """Holds at most (S + 1) batches of groups; admission bounds it."""

    batch: int
    max_staleness: float
    _held: list[ScoredGroup] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, group: ScoredGroup) -> None:
        self._held.append(group)

    def take(self, learner_version: int) -> Batch:
        """Sweep, then the oldest-admitted full batch; `groups` is empty if there is no full one yet."""
        fresh, stale = sweep(sorted(self._held, key=lambda g: g.ordinal), learner_version, self.max_staleness)
        leaving = fresh[: self.batch] if len(fresh) >= self.batch else []
        self._held = fresh[len(leaving) :]
        return Batch(leaving, stale)
