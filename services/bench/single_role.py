"""One role alone on a real cluster, to size it: the learner on saved batches, or the rollout workers under a
stand-in learner.

`replay_learner` trains real ranks on groups that a run has left in `experience/` (those of a run that was stopped or
killed), again and again. `sample_alone` lets real workers sample the profile's inputs while a stand-in publishes a
slightly different adapter every batch, as a learner would that takes no time.
"""

import asyncio
import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path

import ray

from learner.group import LearnerGroup
from oars.alignment.messages import PolicySnapshot, Sampled
from oars.alignment.stage import NR_RL, RL_STAGES
from oars.config import RunConfig
from oars.generator.policy import Policy, load_transformer, tensors_digest
from oars.seeds import seeded_noise
from rollout_workers.pool import RolloutPool
from services.control.batches import training_groups
from services.control.experience import ScoredGroup
from services.control.policy_store import PolicyStore
from services.control.sample_store import read_sample
from services.control.source import AdmittedGroup, InputSource
from services.run.ledger import Finished, Ledger
from services.run.run_directory import BadRun

# How far the stand-in learner moves each version: enough to be another adapter, too little to change what is sampled.
_STEP = 1e-4


@dataclass(frozen=True)
class Pace:
    """Speed of one role alone."""

    groups: int
    seconds: float
    phases: dict[str, float]
    """Mean seconds of each phase, of a group or of a step."""

    @property
    def groups_per_second(self) -> float:
        return self.groups / self.seconds


def saved_groups(directory: Path) -> list[Finished]:
    """Scored groups whose samples the run still has, in the order of admission. Raises BadRun if there are none."""
    with Ledger.reading(directory / "ledger.sqlite") as ledger:
        found = [group for batch in ledger.trained_after(0) for group in batch.groups]
        for stage in RL_STAGES:
            leased = ledger.unfinished_step(stage.name)
            found += [*ledger.held(stage.name), *(leased.groups if leased else [])]
    saved = [group for group in found if _file(directory, group.group_id).exists()]
    if not saved:
        raise BadRun(f"{directory}: no saved batches: experience/ holds those of a run that was stopped or killed")
    return sorted(saved, key=lambda group: group.ordinal)


def _file(directory: Path, group_id: str) -> Path:
    return directory / "experience" / f"{group_id}.safetensors"


async def replay_learner(config: RunConfig, directory: Path, steps: int) -> Pace:
    """`steps` optimiser steps of the run's own batch size. The first, which compiles and allocates, is not counted."""
    found, size = saved_groups(directory), config.stages.nr_rl.groups
    refs = {group.group_id: ray.put(read_sample(_file(directory, group.group_id))) for group in found}
    endless = itertools.cycle(found)
    learner = await LearnerGroup.start(config)
    try:
        await learner.begin_rl()
        seconds = []
        for version in range(steps + 1):
            await learner.publish(version)
            # As if sampled just now: what a step costs does not depend on the staleness.
            batch = [
                ScoredGroup(g.group_id, g.ordinal, version, refs[g.group_id], g.outcomes)
                for g in itertools.islice(endless, size)
            ]
            start = time.monotonic()
            await learner.train(training_groups(batch, config.objective.optimality), version)
            seconds.append(time.monotonic() - start)
    finally:
        learner.stop()
    counted = seconds[1:]
    return Pace(steps * size, sum(counted), {"step": sum(counted) / steps})


async def sample_alone(config: RunConfig, groups: int) -> Pace:
    """`groups` groups, with one waiting for each worker; a new version every batch."""
    source, store = InputSource(config, "alone"), PolicyStore(ray.put)
    policy = Policy(load_transformer(config.generator), config.generator, ("old",), config.seed)
    pool = await RolloutPool.start(config)
    queue: asyncio.Queue[AdmittedGroup] = asyncio.Queue(2 * pool.workers)
    done: list[Sampled] = []

    async def admit() -> None:
        for index in range(groups):
            if index % config.stages.nr_rl.groups == 0:
                pool.publish(store.publish(_moved(policy.snapshot("old", store.versions))))
            await queue.put(await source.group(NR_RL, index, index))

    async def work() -> None:
        while len(done) < groups:
            group = await queue.get()
            request = group.request(0, config.rollout.candidates, store.current.version)
            result = await pool.sample(request, config.control.group_deadline_s)
            if not isinstance(result, Sampled):
                raise RuntimeError(result.error)
            done.append(result)

    start = time.monotonic()
    try:
        workers = [asyncio.create_task(work()) for _ in range(pool.workers)]
        await admit()
        while len(done) < groups:
            finished, _ = await asyncio.wait(workers, timeout=0.1, return_when=asyncio.FIRST_EXCEPTION)
            for task in finished:
                task.result()
        for task in workers:
            task.cancel()
    finally:
        await pool.stop()
    names = done[0].receipt.seconds
    phases = {name: sum(sampled.receipt.seconds[name] for sampled in done) / len(done) for name in names}
    return Pace(len(done), time.monotonic() - start, phases)


def _moved(snapshot: PolicySnapshot) -> PolicySnapshot:
    """The stand-in learner's step."""
    version = snapshot.version
    tensors = {
        name: tensor + _STEP * seeded_noise(tuple(tensor.shape), "alone", version, name)
        for name, tensor in snapshot.tensors.items()
    }
    return replace(snapshot, tensors=tensors, digest=tensors_digest(tensors))
