"""The driver's view of the learner: its ranks as one.

A call goes to every rank and returns rank 0's answer. Ranks live and die together: when one is lost, the others would
wait for it in a collective for ever, so all are ended and the caller gets `LearnerLost`; it starts a new group and
loads the last checkpoint. Data travels as ObjectRefs, straight to the ranks that need it.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, Protocol

import ray
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from learner.plan import Optimality
from learner.rank import LearnerRank
from learner.report import StepReport
from oars.alignment.group import PolicySnapshot
from oars.config import ResourcesConfig, RunConfig
from oars.imaging.crops import Pair


class LearnerLost(RuntimeError):
    """A rank died, and with it the group."""


class LearnerUnavailable(RuntimeError):
    """The ranks did not come up; the message says what was asked for and what there is."""


class TrainingGroup(Protocol):
    """A group as the learner takes it."""

    @property
    def sample(self) -> object:
        """TrainingSample, or the ObjectRef of one."""

    @property
    def version(self) -> int:
        """The one that sampled it."""

    @property
    def optimality(self) -> Optimality: ...


class LearnerGroup:
    """All ranks of one run; made by `start`."""

    def __init__(self, ranks: list[Any], placement: PlacementGroup) -> None:
        self._ranks, self._placement = ranks, placement

    @classmethod
    async def start(cls, config: RunConfig) -> "LearnerGroup":
        """Reserve, create and connect the ranks within `control.start_deadline_s`. Raises LearnerUnavailable."""
        learner, deadline = config.learner, config.control.start_deadline_s
        placement = await _reserve(learner.ranks, learner.resources, deadline)
        group = cls([_rank(config, placement, rank) for rank in range(learner.ranks)], placement)
        try:
            await asyncio.wait_for(group._connect(), deadline)
        except TimeoutError as error:
            group.stop()
            raise LearnerUnavailable(f"the learner's ranks did not connect within {deadline:.0f} s") from error
        return group

    async def _connect(self) -> None:
        await self._all("connect", await self._result([self._ranks[0].address.remote()]))

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
        NonFiniteGradient, Fenced, UnknownVersion."""
        batch = [(group.sample, group.version, tuple(group.optimality)) for group in groups]
        report: StepReport = await self._all("train", batch, version)
        return report

    async def publish(self, version: int) -> PolicySnapshot:
        """The adapter `old` as version n."""
        snapshot: PolicySnapshot = await self._all("publish", version)
        return snapshot

    async def snapshot(self, version: int) -> PolicySnapshot:
        """The evaluation average (`ema`), labelled with a version."""
        snapshot: PolicySnapshot = await self._all("snapshot", "ema", version)
        return snapshot

    async def save(self, path: Path, meta: dict[str, Any]) -> None:
        """A checkpoint directory, whole or not at all; `meta` must be JSON."""
        await self._all("save", path.absolute(), meta)

    async def load(self, path: Path) -> dict[str, Any]:
        """Restore everything and return `meta`. Raises BadCheckpoint."""
        meta: dict[str, Any] = await self._all("load", path.absolute())
        return meta

    async def ping(self) -> list[int]:
        """Process ids of the ranks; answers during a step. Raises LearnerLost."""
        return await self._gather([rank.ping.remote() for rank in self._ranks])

    def stop(self) -> None:
        """End every rank and give the resources back."""
        for rank in self._ranks:
            ray.kill(rank)
        remove_placement_group(self._placement)
        self._ranks = []

    async def _all(self, method: str, *arguments: Any) -> Any:
        return await self._result([getattr(rank, method).remote(*arguments) for rank in self._ranks])

    async def _result(self, answers: list[Awaitable[Any]]) -> Any:
        return (await self._gather(answers))[0]

    async def _gather(self, answers: list[Awaitable[Any]]) -> list[Any]:
        if not answers:
            raise LearnerLost("the learner has been stopped")
        try:
            return list(await asyncio.gather(*answers))
        except RayActorError as error:
            self.stop()
            raise LearnerLost(f"a learner rank died: {_first_line(error)}") from error
        except RayTaskError as error:
            # Ranks that did not fail wait for this one in a collective.
            self.stop()
            if isinstance(error.cause, ObjectLostError):
                raise LearnerLost(f"the node that held a sample is gone: {_first_line(error.cause)}") from error
            raise error.cause from error


def _rank(config: RunConfig, placement: PlacementGroup, rank: int) -> Any:
    resources = config.learner.resources
    # Ray titles a process after its actor's class, so each rank is of a class of its own name.
    titled = type(f"oars:learner-{rank}", (LearnerRank,), {})
    actor = ray.remote(concurrency_groups={"health": 1})(titled).options(
        name=f"learner-{rank}",
        num_cpus=resources.num_cpus,
        num_gpus=resources.num_gpus,
        scheduling_strategy=PlacementGroupSchedulingStrategy(placement, placement_group_bundle_index=rank),
    )
    return actor.remote(config, rank, config.learner.ranks)


async def _reserve(ranks: int, resources: ResourcesConfig, deadline_s: float) -> PlacementGroup:
    """One bundle a rank, as close together as they fit."""
    bundle = {"CPU": resources.num_cpus, "GPU": resources.num_gpus}
    bundle = {name: amount for name, amount in bundle.items() if amount}
    selectors = [resources.label_selector] * ranks if resources.label_selector else None
    placement = placement_group([bundle] * ranks, strategy="PACK", bundle_label_selector=selectors)
    try:
        await asyncio.wait_for(_ready(placement), deadline_s)
    except TimeoutError as error:
        remove_placement_group(placement)
        where = f" on nodes with {resources.label_selector}" if resources.label_selector else ""
        raise LearnerUnavailable(
            f"learner: {ranks} x {bundle}{where} requested, available: {ray.available_resources()}"
        ) from error
    return placement


async def _ready(placement: PlacementGroup) -> None:
    await placement.ready()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
