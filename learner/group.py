"""The driver's view of the learner: its ranks as one. Data travels as ObjectRefs, straight to the ranks that use it."""

from collections.abc import Sequence
from pathlib import Path

import ray

from learner.rank import LearnerRank
from learner.ranks import Ranks
from learner.report import StepReport
from oars.alignment.messages import PolicySnapshot, TrainingGroup
from oars.config import RunConfig
from oars.imaging.crops import Pair


class LearnerGroup(Ranks):
    """All ranks of one run; made by `start`."""

    @classmethod
    async def start(cls, config: RunConfig, rl_weights: Path | None = None) -> "LearnerGroup":
        """Reserve, create and connect the ranks within `control.start_deadline_s`; `rl_weights` as `LearnerRank` takes
        them. Raises LearnerUnavailable."""
        deadline_s = config.control.start_deadline_s
        return await cls.of(LearnerRank, "learner", config.learner, deadline_s, config, rl_weights)

    async def cold_start_step(self, pairs: list[Pair]) -> StepReport:
        """One optimiser step of flow-matching SFT on pairs of one size; the loss is averaged over all of them."""
        report: StepReport = await self._all("cold_start_step", ray.put(pairs))
        return report

    async def save_sft(self, path: Path) -> None:
        """The fine-tuned transformer as a diffusers directory, whole or not at all."""
        await self._all("save_sft", path.absolute())

    async def begin_rl(self) -> None:
        await self._all("begin_rl")

    async def train(self, groups: Sequence[TrainingGroup], version: int) -> StepReport:
        """One optimiser step of DiffusionNFT on top of `version`; `old` and `ema` follow. Raises NothingToTrain,
        NonFiniteGradient, Fenced, NoOldVelocity."""
        report: StepReport = await self._all("train", list(groups), version)
        return report

    async def publish(self, version: int) -> PolicySnapshot:
        """The adapter `old` as version n."""
        snapshot: PolicySnapshot = await self._all("publish", version)
        return snapshot

    async def snapshot(self, version: int) -> PolicySnapshot:
        """The evaluation average (`ema`), labelled with a version."""
        snapshot: PolicySnapshot = await self._all("snapshot", "ema", version)
        return snapshot
