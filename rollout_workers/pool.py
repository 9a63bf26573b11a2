"""All rollout workers of a run: who is free, who holds which version, and what happens when one dies.

Invariants: a worker gets a request only after it returned the newest published version, so a request is stamped with
that version when it leaves; a worker that died comes back, restarted by Ray, only after it installed that version
again; every call that is abandoned is cancelled. Death is a value (`AttemptFailed`) for the group that was being
sampled; a policy that does not bind is an error that ends the run.
"""

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayActorError, RayTaskError

from oars.alignment.messages import AttemptFailed, Published, RolloutReceipt, RolloutRequest, Sampled
from oars.config import RunConfig
from oars.generator.policy import AdapterMismatch
from rollout_workers.fingerprint import Fingerprints
from rollout_workers.worker import Installed, RolloutWorker, WrongVersion

# Ray brings an actor back in about two seconds; more often than this there is nothing new to see.
_REVIVE_EVERY_S = 1.0


class WorkersUnavailable(RuntimeError):
    """No worker can take a request; the message says why."""


@dataclass
class _Member:
    """A worker as the pool sees it."""

    name: str
    actor: Any
    holds: int | None = None
    """The version that it returned last."""


class RolloutPool:
    """Made by `start`, or `create` and `ready`; used from one event loop."""

    def __init__(self, config: RunConfig, members: list[_Member]) -> None:
        self._config = config
        self._alive = {member.name: member for member in members}
        self._free: asyncio.Queue[_Member | None] = asyncio.Queue()
        self._published: Published | None = None
        self._fingerprints = Fingerprints()
        self._tasks: set[asyncio.Task[None]] = set()
        for member in members:
            self._free.put_nowait(member)

    @classmethod
    def create(cls, config: RunConfig, weights: Path | None = None) -> "RolloutPool":
        """Workers that come up while the caller does something else; `weights` as `RolloutWorker` takes them."""
        names = [f"rollout-{i}" for i in range(config.rollout.workers)]
        return cls(config, [_Member(name, _actor(config, name, weights)) for name in names])

    @classmethod
    async def start(cls, config: RunConfig) -> "RolloutPool":
        """Create the workers and wait until each answers. Raises WorkersUnavailable."""
        pool = cls.create(config)
        await pool.ready()
        return pool

    async def ready(self) -> None:
        """Every worker answers. Raises WorkersUnavailable, and then there is none."""
        rollout, deadline = self._config.rollout, self._config.control.start_deadline_s
        answers = [member.actor.ping.remote() for member in self._alive.values()]
        try:
            await asyncio.wait_for(asyncio.gather(*answers), deadline)
        except TimeoutError as error:
            await self.stop()
            raise WorkersUnavailable(
                f"rollout: {rollout.workers} x {rollout.resources.model_dump()} requested and not up after "
                f"{deadline:.0f} s, available: {ray.available_resources()}"
            ) from error
        except RayActorError as error:
            await self.stop()
            # Ray appends the traceback of the constructor: its last line is the reason.
            raise WorkersUnavailable(f"a rollout worker could not start: {str(error).splitlines()[-1]}") from error

    @property
    def workers(self) -> int:
        """Workers that are up or on their way back."""
        return len(self._alive)

    def publish(self, policy: Published) -> None:
        """Every worker installs this version before its next group."""
        self._published = policy

    async def sample(self, request: RolloutRequest, deadline_s: float) -> Sampled | AttemptFailed:
        """Wait for a free worker, bring it to the newest version, and let it sample. `deadline_s` bounds installing and
        sampling, not the wait. Raises AdapterMismatch, WorkersUnavailable, and whatever the worker's code raised."""
        start = time.monotonic()
        member = await self._take()
        queued = time.monotonic() - start
        try:
            sampled = await asyncio.wait_for(self._sample(member, request, queued), deadline_s)
        except TimeoutError:
            self._revive(member)
            return AttemptFailed(f"{member.name}: no candidates within {deadline_s:.0f} s", timed_out=True)
        except RayActorError as error:
            self._empty(member)
            self._revive(member)
            return AttemptFailed(f"{member.name}: {type(error).__name__}: {_first_line(error)}", timed_out=False)
        except WrongVersion as error:
            # Only a worker that Ray restarted while it was free holds another version than its last receipt.
            self._empty(member)
            self._free.put_nowait(member)
            return AttemptFailed(str(error.args[0]), timed_out=False)
        except BaseException:  # whatever it is, the worker may be at work yet: it is not free as it stands
            self._revive(member)
            raise
        self._free.put_nowait(member)
        return sampled

    async def _sample(self, member: _Member, request: RolloutRequest, queued_s: float) -> Sampled:
        version = await self._install(member)
        receipt_ref, images, sample = member.actor.sample.remote(replace(request, version=version))
        receipt: RolloutReceipt = await _answer(receipt_ref)
        return Sampled(receipt, images, sample, queued_s)

    async def _install(self, member: _Member) -> int:
        """Bring a free worker to the newest version, and check its receipt. Raises AdapterMismatch."""
        policy = self._published
        if policy is None:
            raise WorkersUnavailable("no policy version has been published yet")
        if member.holds != policy.version:
            member.holds = None
            receipt: Installed = await _answer(member.actor.install.remote(policy.ref))
            published = (policy.version, policy.digest, policy.tensors)
            if (receipt.version, receipt.digest, receipt.bound_tensors) != published:
                raise AdapterMismatch(f"{member.name}: installed {receipt}, published {published}")
            self._fingerprints.check(member.name, receipt.digest, receipt.fingerprint)
            member.holds = policy.version
        return policy.version

    async def _take(self) -> _Member:
        """The next free worker. Raises WorkersUnavailable once none is left."""
        member = None if not self._alive else await self._free.get()
        if member is None:
            self._free.put_nowait(None)  # wakes the next waiter, too
            raise WorkersUnavailable("every rollout worker has died for good: max_restarts is used up")
        return member

    def _empty(self, member: _Member) -> None:
        """It was restarted, perhaps elsewhere."""
        member.holds = None
        self._fingerprints.forget(member.name)

    def _revive(self, member: _Member) -> None:
        """Watch a lost or overdue worker in the background until it can take requests again."""
        if member.name in self._alive:
            task = asyncio.create_task(self._await_return(member))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _await_return(self, member: _Member) -> None:
        """Free the worker once it has nothing left to do; restart one that hangs, forget one that Ray has given up."""
        control = self._config.control
        while True:
            deadline = control.start_deadline_s if member.holds is None else control.group_deadline_s
            try:
                await asyncio.wait_for(member.actor.drain.remote(), deadline)
            except ActorDiedError:
                break
            except TimeoutError:
                ray.kill(member.actor, no_restart=False)
                self._empty(member)
            except RayActorError:
                await asyncio.sleep(_REVIVE_EVERY_S)
                self._empty(member)
            else:
                self._free.put_nowait(member)
                return
        del self._alive[member.name]
        if not self._alive:
            self._free.put_nowait(None)

    async def stop(self) -> None:
        """End every worker."""
        members, self._alive = self._alive, {}
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in members.values():
            ray.kill(member.actor)


def _actor(config: RunConfig, name: str, weights: Path | None) -> Any:
    resources = config.rollout.resources
    # Ray titles a process after its actor's class, so each worker is of a class of its own name.
    titled = type(f"oars:{name}", (RolloutWorker,), {})
    actor = ray.remote(concurrency_groups={"health": 1})(titled).options(
        name=name,
        num_cpus=resources.num_cpus,
        num_gpus=resources.num_gpus,
        label_selector=resources.label_selector or None,
        max_restarts=config.rollout.max_restarts,
        scheduling_strategy="SPREAD",
    )
    return actor.remote(config, name, weights)


async def _answer(ref: Any) -> Any:
    """The value, or the exception that the worker's code raised; cancelled on the worker when it is here."""
    try:
        return await ref
    except asyncio.CancelledError:
        ray.cancel(ref)
        raise
    except RayTaskError as error:
        raise error.cause from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
