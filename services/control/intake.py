"""The groups in flight: admitted one by one, in the order of their inputs, and each alive as a task of its own until it
is held in its stage's buffer or dropped. What an earlier driver left in flight is taken over.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from oars.alignment.drops import DropReason
from services.control.batches import restored
from services.control.circuit_breaker import BreakerState
from services.control.drops import Drops
from services.control.experience import ScoredGroup
from services.control.group_runner import Dropped, GroupRunner
from services.control.observer import RunObserver
from services.control.policy_store import PolicyStore
from services.control.protocols import SampleStore, Source
from services.control.source import AdmittedGroup
from services.control.stage_run import StageRun
from services.run.ledger import Ledger

TICK_S = 1.0
"""How often who waits looks whether a pause of the circuit breaker is over, or the run was stopped."""


class Intake:
    """Lets groups in and sees each to its end."""

    def __init__(
        self,
        ledger: Ledger,
        observer: RunObserver,
        source: Source,
        policies: PolicyStore,
        samples: SampleStore,
        groups: GroupRunner,
        drops: Drops,
        now: Callable[[], float],
    ) -> None:
        self._ledger, self._observer, self._source, self._policies = ledger, observer, source, policies
        self._samples, self._groups, self._drops, self._now = samples, groups, drops, now

    async def admit(self, running: StageRun, over: Callable[[], bool]) -> None:
        """The only place that admits; runs as long as the stage, and admits none once the run is `over`."""
        name = running.stage.name
        while True:
            while self._has_room(running) and not over():
                group = await self._source.group(running.stage, running.admitted, self._ledger.next_ordinal())
                version, image = self._policies.current.version, group.pair.image_id
                self._ledger.admit(group.group_id, group.ordinal, name, running.admitted, image, group.seed, version)
                running.admitted += 1
                running.in_flight += 1
                self._start(running, group, attempts=0)
            self._observer.admitted(running.in_flight, self._groups.concurrency.limit)
            await set_within(running.room, TICK_S)

    async def restore(self, running: StageRun) -> None:
        """Take over an earlier driver's groups in flight: finished ones come from disk, pending ones get a new
        attempt."""
        ledger, name = self._ledger, running.stage.name
        pending, finished, begun = ledger.pending(name), ledger.held(name), ledger.unfinished_step(name)
        running.in_flight = len(pending) + len(finished) + (len(begun.groups) if begun else 0)
        if begun:
            batch = await restored(begun.groups, self._samples)
            running.leased = [] if batch.lost else batch.groups
            if batch.lost:
                line = next(iter(batch.lost.values()))
                lost = [group.group_id for group in begun.groups]
                self._drops.batch(running, begun.step, lost, Dropped(DropReason.LOST, line))
        held = await restored(finished, self._samples)
        for group_id, line in held.lost.items():
            self._drops.group(running, group_id, Dropped(DropReason.LOST, line))
        for group in held.groups:
            self._arrive(running, group.group_id, self._groups.filtered(group))
        for waiting in pending:
            admitted = await self._source.group(running.stage, waiting.input, waiting.ordinal)
            self._start(running, admitted, waiting.attempts)
        if running.in_flight:
            self._observer.restored(name, len(held.groups), len(running.leased), len(pending))

    def _has_room(self, running: StageRun) -> bool:
        """For one more: by the rule, by COMPASS' pace, and unless the circuit breaker is open."""
        now = self._now()
        return (
            running.rule.capacity(running.in_flight, running.config.steps - running.step) > 0
            and self._groups.room(len(running.lives), now) >= 1
            and self._groups.breaker.tick(now) is not BreakerState.OPEN
        )

    def _start(self, running: StageRun, group: AdmittedGroup, attempts: int) -> None:
        life = running.tasks.create_task(self._live(running, group, attempts))
        running.lives.add(life)
        life.add_done_callback(running.lives.discard)

    async def _live(self, running: StageRun, group: AdmittedGroup, attempts: int) -> None:
        self._arrive(running, group.group_id, await self._groups.live(group, attempts, running.rl_group))
        running.room.set()

    def _arrive(self, running: StageRun, group_id: str, end: ScoredGroup | Dropped) -> None:
        if isinstance(end, ScoredGroup):
            running.buffer.hold(end)
            running.changed.set()
        else:
            self._drops.group(running, group_id, end)


async def set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most so long; leaves it clear."""
    # Not asyncio.wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
