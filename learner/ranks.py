"""Ray actors that are DeepSpeed ranks, as one: reserve, create, connect, call, end.

A call goes to every rank and returns rank 0's answer. Ranks live and die together: when one is lost, the others would
wait for it in a collective for ever, so all are ended and the caller gets `LearnerLost`; it starts anew and loads the
last checkpoint.
"""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from learner.checkpoint import DamagedCheckpoint
from learner.rank_process import RankProcess
from oars.config import LearnerConfig, ResourcesConfig

RanksT = TypeVar("RanksT", bound="Ranks")


class LearnerLost(RuntimeError):
    """A rank died, and with it the group."""


class LearnerUnavailable(RuntimeError):
    """The ranks did not come up; the message says what was asked for and what there is."""


class Ranks:
    """All ranks of one training; made by `of`."""

    def __init__(self, ranks: list[Any], placement: PlacementGroup) -> None:
        self._ranks, self._placement = ranks, placement

    @classmethod
    async def of(
        cls: type[RanksT],
        kind: type[RankProcess],
        title: str,
        config: LearnerConfig,
        deadline_s: float,
        *arguments: Any,
    ) -> RanksT:
        """Reserve, create and connect `config.ranks` actors `kind(*arguments, rank, world)` within the deadline.

        Raises LearnerUnavailable.
        """
        placement = await _reserve(title, config.ranks, config.resources, deadline_s)
        group = cls([_rank(kind, title, config, placement, rank, arguments) for rank in range(config.ranks)], placement)
        try:
            await asyncio.wait_for(group._connect(), deadline_s)
        except TimeoutError as error:
            group.stop()
            raise LearnerUnavailable(f"the {title}'s ranks did not connect within {deadline_s:.0f} s") from error
        return group

    async def _connect(self) -> None:
        await self._all("connect", await self._result([self._ranks[0].address.remote()]))

    async def save(self, path: Path, meta: dict[str, Any]) -> None:
        """A checkpoint directory, whole or not at all; `meta` must be JSON."""
        await self._all("save", path.absolute(), meta)

    async def load(self, path: Path) -> dict[str, Any]:
        """Restore everything and return `meta`. Raises BadCheckpoint, DamagedCheckpoint; after the latter the ranks are
        as they were, and may load another."""
        if damage := await self._result([self._ranks[0].damage.remote(path.absolute())]):
            raise DamagedCheckpoint(damage)
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


def _rank(
    kind: type[RankProcess], title: str, config: LearnerConfig, placement: PlacementGroup, rank: int, arguments: Any
) -> Any:
    # Ray titles a process after its actor's class, so each rank is of a class of its own name.
    titled = type(f"oars:{title}-{rank}", (kind,), {})
    actor = ray.remote(concurrency_groups={"health": 1})(titled).options(
        name=f"{title}-{rank}",
        num_cpus=config.resources.num_cpus,
        num_gpus=config.resources.num_gpus,
        scheduling_strategy=PlacementGroupSchedulingStrategy(placement, placement_group_bundle_index=rank),
    )
    return actor.remote(*arguments, rank, config.ranks)


async def _reserve(title: str, ranks: int, resources: ResourcesConfig, deadline_s: float) -> PlacementGroup:
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
            f"the {title}'s ranks: {ranks} x {bundle}{where} requested, available: {ray.available_resources()}"
        ) from error
    return placement


async def _ready(placement: PlacementGroup) -> None:
    await placement.ready()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
