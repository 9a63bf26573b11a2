"""One rehearsal: the real control plane over stand-ins in virtual time, and what it came to."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oars.alignment.drops import DropReason
from oars.alignment.stage import NR_RL
from oars.compass.outcome import FailureReason
from oars.config import RunConfig
from services.align import rl_stage
from services.control.group_runner import retry_policy
from services.control.policy_store import PolicyStore
from services.control.roles import conductor_of, learner_of, observer_of
from services.run.ledger import Ledger
from services.run.progress import Progress
from services.run.run import Run
from services.run.stopping import StopRequest
from services.run.telemetry import Telemetry
from services.run.watchdog import Watchdog
from services.simulate.scenario import Scenario
from services.simulate.stand_in_judge import Judge
from services.simulate.stand_ins import Inputs, Ranks, Samples, Work, Workers
from services.simulate.virtual_time import run_virtual


@dataclass(frozen=True)
class Rehearsal:
    """Result of a rehearsed scenario. Rates and shares are of the steady part: after the first S + 1 steps, before the
    last S + 1."""

    seconds: float
    """Virtual seconds of the whole run."""
    trained: int
    groups_per_second: float
    bound: float
    """Groups a second that the slowest role could do without ever waiting, with nothing going wrong."""
    bottleneck: str
    idle: dict[str, float]
    """Share of its time that each role had nothing to do (or was lost), by role."""
    staleness_mean: float
    staleness_max: int
    dropped: dict[DropReason, int]
    candidates_failed: dict[FailureReason, int]
    failed_attempts: int
    learner_losses: int
    cpu_s_per_group: float
    """CPU seconds of this process: the control plane, and the stand-ins, which cost little."""
    wall_s: float
    violations: list[str]
    """Violations of the ledger's invariants; empty if all hold."""

    @property
    def share_of_bound(self) -> float:
        return self.groups_per_second / self.bound


def rehearse(scenario: Scenario, directory: Path, progress: Progress) -> Rehearsal:
    """Run the scenario through `services.align.rl_stage`; `directory` becomes its run directory."""
    cpu, wall = time.process_time(), time.perf_counter()
    staged = run_virtual(lambda: _stage(scenario, directory, progress))
    return staged.summary(time.process_time() - cpu, time.perf_counter() - wall)


@dataclass(frozen=True)
class _Staged:
    """A stage that is over."""

    scenario: Scenario
    run: Run
    work: Work
    finished: dict[int, float]
    losses: int

    def summary(self, cpu_s: float, wall_s: float) -> Rehearsal:
        scenario, ledger = self.scenario, self.run.ledger
        since, until, steps = self._steady()
        counts, behind = ledger.counts(), ledger.staleness()
        servers = {
            "rollout": scenario.rollout.workers,
            "judge": scenario.judge.replicas * scenario.judge.at_once,
            "learner": 1,
        }
        span = until - since
        return Rehearsal(
            seconds=self.finished[scenario.learner.steps],
            trained=counts.trained,
            groups_per_second=steps * scenario.learner.groups / span,
            bound=scenario.bounds[scenario.bottleneck],
            bottleneck=scenario.bottleneck,
            idle={role: max(0.0, 1 - self.work.busy(role, since, until) / (n * span)) for role, n in servers.items()},
            staleness_mean=sum(behind) / len(behind),
            staleness_max=max(behind),
            dropped=counts.dropped,
            candidates_failed=counts.candidates_failed,
            failed_attempts=ledger.failed_attempts(),
            learner_losses=self.losses,
            cpu_s_per_group=cpu_s / counts.admitted,
            wall_s=wall_s,
            violations=ledger.violations(final=True),
        )

    def _steady(self) -> tuple[float, float, int]:
        """Start, end and number of the steps that neither the first filling nor the last draining touches."""
        steps, bound = self.scenario.learner.steps, self.scenario.control.staleness_bound
        edge = int(min(bound + 1, (steps - 1) // 3))
        first, last = max(edge, 1), max(steps - edge, 2)
        return self.finished[first], self.finished[last], last - first


async def _stage(scenario: Scenario, directory: Path, progress: Progress) -> _Staged:
    chance, work = random.Random(scenario.seed), Work()
    run = _run(scenario, directory, progress, asyncio.get_running_loop().time)
    finished: dict[int, float] = {}
    starts = 0

    async def start() -> Ranks:
        nonlocal starts
        starts += 1
        await asyncio.sleep(scenario.learner.start.draw(chance))
        return Ranks(scenario, work, chance, finished)

    disk, policies = random.Random(f"{scenario.seed} disk"), PolicyStore(lambda snapshot: snapshot)
    samples = Samples(scenario, work, disk)
    rollouts, judge = Workers(scenario, work, chance), Judge(scenario, work, chance)
    observer, retry = observer_of(run), retry_policy(scenario.control.group_attempts, chance.random)
    try:
        async with learner_of(run, observer, samples, start) as learner:
            source = Inputs(scenario.seed)
            conductor = conductor_of(run, observer, source, rollouts, judge, learner, policies, samples, retry)
            await conductor.begin()
            await rl_stage(conductor, NR_RL)
            await conductor.checkpoint()
    finally:
        run.telemetry.close()
    return _Staged(scenario, run, work, finished, starts - 1)


def _run(scenario: Scenario, directory: Path, progress: Progress, now: Callable[[], float]) -> Run:
    rollout = {"workers": scenario.rollout.workers, "candidates": scenario.rollout.candidates}
    stages = {"nr_rl": {"steps": scenario.learner.steps, "groups": scenario.learner.groups}}
    config = RunConfig.model_validate({"rollout": rollout, "seed": scenario.seed, "stages": stages}).model_copy(
        update={"control": scenario.control, "reward": scenario.reward}
    )
    return Run(
        id=directory.name,
        directory=directory,
        config=config,
        ledger=Ledger.drive(directory / "ledger.sqlite", now),
        telemetry=Telemetry(directory, directory.name, None),
        watchdog=Watchdog(config.control.stall_s),
        stop=StopRequest(),
        progress=progress,
        now=now,
    )
