"""Protocols of the roles that the conductor calls; the Ray pools and the Serve client satisfy them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from learner.report import StepReport
from oars.alignment.messages import PolicySnapshot, RolloutRequest
from oars.compass.outcome import CandidateOutcome
from oars.config import StageName
from oars.imaging.crops import Pair
from rollout_workers.pool import AttemptFailed, Sampled
from services.control.policy_store import Published
from services.control.source import AdmittedGroup


@dataclass(frozen=True)
class Judgement:
    """One outcome a candidate, in order, and where they come from."""

    outcomes: list[CandidateOutcome]
    provenance: dict[str, Any]
    divergence: float | None = None
    """Mean absolute difference of judged and measured F; None where F was not measured."""


@dataclass(frozen=True)
class TrainingGroup:
    """A group as the learner takes it."""

    group_id: str
    sample: object
    """ObjectRef of the TrainingSample."""
    version: int
    """The one that sampled it."""
    optimality: tuple[float | None, ...]
    """[K] in [0, 1]; None for a candidate without a score, which is not trained on."""


class Source(Protocol):
    """Source of the groups' LR images."""

    async def group(self, stage: StageName, index: int, ordinal: int) -> AdmittedGroup:
        """Group number `ordinal` of the run, about input `index` of its stage."""


class Rollouts(Protocol):
    """The pool of rollout workers."""

    @property
    def workers(self) -> int: ...

    def publish(self, policy: Published) -> None:
        """Workers install this version before their next group."""

    async def sample(self, request: RolloutRequest, deadline_s: float) -> Sampled | AttemptFailed:
        """Wait for a free worker, then sample. Raises AdapterMismatch if the version cannot be installed."""


class Judge(Protocol):
    """COMPASS."""

    async def score(self, request_id: str, pair: Pair, images: Any) -> Judgement:
        """Score an ObjectRef of uint8 [K, H, W, 3]. Never raises for a candidate or an outage: those are `Failed`."""

    async def score_one(self, request_id: str, pair: Pair, image: NDArray[np.uint8]) -> CandidateOutcome: ...


class Samples(Protocol):
    """Store, beside Ray's object store, for the samples of groups that no checkpoint holds yet."""

    async def keep(self, group_id: str, sample: Any) -> None:
        """Durable when it returns. Raises SampleLost."""

    async def restore(self, group_id: str) -> Any:
        """Restore a sample for the learner. Raises BadSample."""

    def forget(self, group_ids: Collection[str]) -> None: ...

    def forget_all_but(self, group_ids: Collection[str]) -> None: ...


class Learner(Protocol):
    """The learner's ranks as one."""

    async def begin_rl(self) -> int:
        """Be where the ledger says that RL is; returns the step that the newest checkpoint holds, 0 without one."""

    async def train(self, groups: Sequence[TrainingGroup], version: int) -> StepReport:
        """One optimiser step on top of this version."""

    async def publish(self, version: int) -> PolicySnapshot: ...

    async def save(self, path: Path, meta: dict[str, Any]) -> None: ...
