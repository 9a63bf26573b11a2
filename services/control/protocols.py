"""Protocols of the roles that the control plane calls; the Ray pools and the Serve client satisfy them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from learner.report import StepReport
from oars.alignment.messages import (
    AttemptFailed,
    PolicySnapshot,
    Published,
    RolloutRequest,
    Sampled,
    TrainingGroup,
)
from oars.alignment.stage import Stage
from oars.compass.outcome import CandidateOutcome
from oars.errors import UserError
from oars.imaging.crops import Pair
from services.control.source import AdmittedGroup


@dataclass(frozen=True)
class Judgement:
    """One outcome a candidate, in order, and where they come from."""

    outcomes: list[CandidateOutcome]
    provenance: dict[str, Any]
    divergence: float | None = None
    """Mean absolute difference of judged and measured F; None where F was not measured."""

    @property
    def attempt(self) -> int:
        """Number of repetitions of the request."""
        return int(self.provenance.get("attempt", 0))


class Source(Protocol):
    """Source of the groups' LR images."""

    async def group(self, stage: Stage, index: int, ordinal: int) -> AdmittedGroup:
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

    async def score(self, request_id: str, pair: Pair, images: Any, count: int) -> Judgement:
        """Score an ObjectRef of `count` candidates uint8 [K, H, W, 3]. Never raises for a candidate or an outage: those
        are `Failed`."""

    async def score_one(self, request_id: str, pair: Pair, image: NDArray[np.uint8]) -> CandidateOutcome: ...


class BadSample(UserError, RuntimeError):
    """A sample that should be on disk is not, or is damaged; the message is one line naming the file."""


class SampleStore(Protocol):
    """Store, beside Ray's object store, of training samples until a checkpoint holds the step that used them."""

    async def keep(self, group_id: str, sample: Any) -> AttemptFailed | None:
        """None once the value of the ObjectRef `sample` is durable; AttemptFailed if it was lost before."""

    async def restore(self, group_id: str) -> Any:
        """Restore a sample for the learner. Raises BadSample."""

    async def preview(self, lr: NDArray[np.uint8], images: Any) -> NDArray[np.uint8] | None:
        """LR and candidates (an ObjectRef) side by side, small, uint8 [H, W, 3]; None if the candidates are lost."""

    def holds(self, group_id: str) -> bool:
        """There is a sample, damaged or not."""

    async def keep_pictures(self, group_id: str, pair: Pair, images: Any, count: int) -> None:
        """Leave the first `count` candidates (an ObjectRef) of a pair with ground truth for the judge's training; lost
        ones are left out."""

    def forget(self, group_ids: Collection[str]) -> None: ...

    def forget_all_but(self, group_ids: Collection[str]) -> None:
        """Delete what no group needs any more; a sample that is being written stays."""


class Learner(Protocol):
    """The learner's ranks as one."""

    async def begin_rl(self) -> int:
        """Be where the ledger says that RL is; returns the step that the newest checkpoint holds, 0 without one."""

    async def train(self, groups: Sequence[TrainingGroup], version: int) -> StepReport:
        """One optimiser step on top of this version."""

    async def publish(self, version: int) -> PolicySnapshot: ...

    async def snapshot(self, version: int) -> PolicySnapshot:
        """The evaluation average."""

    async def save(self, path: Path, meta: dict[str, Any]) -> None: ...
