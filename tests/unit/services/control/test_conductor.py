"""The conductor against fakes of the other roles: what is admitted leaves once, in time, with the right policy."""

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fake_roles import Judge, K, Learner, Rollouts, Samples, Silent, Source, scored, virtual_now
from hypothesis import given, settings
from hypothesis import strategies as st

from oars.alignment.drops import DropReason
from oars.alignment.messages import AttemptFailed
from oars.alignment.stage import FR_RL
from oars.compass.outcome import CandidateOutcome, Failed, FailureReason
from oars.config import RunConfig
from oars.config.alignment import RLStageConfig
from oars.generator.policy import AdapterMismatch
from oars.report.summary import read_summary
from oars.retry import GiveUp, Retry
from services.align import rl_stage
from services.control.circuit_breaker import RewardsFailing
from services.control.conductor import Conductor
from services.control.drops import NothingTrainable
from services.control.policy_store import PolicyStore
from services.control.roles import conductor_of, observer_of
from services.results.write_up import summarise, write_up
from services.run.errors import innermost
from services.run.ledger import Ledger
from services.run.progress import Progress
from services.run.run import Run
from services.run.stopping import StopRequest
from services.run.telemetry import Telemetry
from services.run.watchdog import Watchdog
from services.simulate.virtual_time import run_virtual


@dataclass
class World:
    """A conductor with everything around it."""

    run: Run
    rollouts: Rollouts
    learner: Learner
    conductor: Conductor
    samples: Samples

    @classmethod
    def make(
        cls,
        directory: Path,
        max_staleness: int | str = 1,
        judge: Judge | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> "World":
        config = RunConfig.model_validate({"control": {"max_staleness": max_staleness, "pause_s": 0.01}})
        telemetry = Telemetry(directory, "run", None)
        run = Run(
            "run",
            directory,
            config,
            Ledger.drive(Path(":memory:")),
            telemetry,
            Watchdog(60),
            StopRequest(),
            progress or Silent(),
            now=virtual_now,
        )
        rollouts = Rollouts(random.Random(seed))
        learner, store, samples = Learner(rollouts), PolicyStore(lambda snapshot: snapshot), Samples()
        conductor = conductor_of(
            run,
            observer_of(run),
            Source(),
            rollouts,
            judge or Judge(),
            learner,
            store,
            samples,
            lambda attempt, late: Retry(0.0) if attempt < 3 else GiveUp(DropReason.FAILED),
        )
        return cls(run, rollouts, learner, conductor, samples)

    def go(self, steps: int, groups: int) -> None:
        async def stage() -> None:
            await self.conductor.begin()
            self.run.stage_ended("fr_rl", await rl_stage(self.conductor, FR_RL))
            await self.conductor.checkpoint()

        stages = self.run.config.stages.model_copy(update={"fr_rl": RLStageConfig(steps=steps, groups=groups)})
        self.conductor.config = self.run.config.model_copy(update={"stages": stages})

        try:
            run_virtual(stage)
        finally:
            self.run.telemetry.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


@settings(max_examples=15)
@given(st.sampled_from([0, 1, 2, 4, 8, "unbounded"]), st.integers(1, 3), st.integers(1, 4), st.integers(0, 10**6))
def test_every_group_is_trained_once_within_the_staleness_bound(
    tmp_path_factory: pytest.TempPathFactory, max_staleness: int | str, groups: int, steps: int, seed: int
) -> None:
    world = World.make(tmp_path_factory.mktemp("run"), max_staleness, seed=seed)
    world.rollouts.pause_s = 0.004
    world.go(steps, groups)
    counts = world.run.ledger.counts()
    assert counts.trained == steps * groups
    assert counts.admitted == counts.trained + sum(counts.dropped.values())
    assert max(world.run.ledger.staleness()) <= world.run.config.control.staleness_bound
    needed = world.run.ledger.needed(world.run.checkpoints.secured())
    assert set(world.samples.kept) <= set(needed), "only what repeats the steps since the oldest checkpoint"
    assert world.run.ledger.violations(final=True) == []
    trained = [group for batch in world.learner.batches for group in batch]
    assert len(set(trained)) == len(trained)


def test_synchronous_never_samples_while_it_trains_and_keeps_the_order(directory: Path) -> None:
    world = World.make(directory, max_staleness=0)
    world.rollouts.pause_s = 0.005
    world.go(steps=3, groups=3)
    assert world.learner.sampled_while_training == [0, 0, 0]
    assert world.learner.batches == [[f"group-{3 * step + i}" for i in range(3)] for step in range(3)]


def test_rollouts_go_on_while_the_learner_trains(directory: Path) -> None:
    world = World.make(directory, max_staleness=1)
    world.rollouts.pause_s = 0.05
    world.go(steps=4, groups=2)
    assert max(world.learner.sampled_while_training) > 0
    assert max(world.run.ledger.staleness()) == 1


def test_candidates_without_a_score_have_no_optimality(directory: Path) -> None:
    failed = Failed(reason=FailureReason.NON_FINITE)
    world = World.make(directory, judge=Judge(lambda request: [scored(1.0), failed, scored(3.0), scored(2.0)]))
    world.go(steps=1, groups=1)
    low, none, high, middle = world.learner.optimality[0]
    assert none is None and low is not None and high is not None
    assert low < 0.5 < high and middle == 0.5
    assert world.run.ledger.counts().candidates_failed[FailureReason.NON_FINITE] == 1


def test_dropped_groups_are_replaced(directory: Path) -> None:
    def outcomes(request: str) -> list[CandidateOutcome]:
        ordinal = int(request.split("-")[1].split(".")[0])
        if ordinal % 3 == 0:
            return [Failed(reason=FailureReason.ENGINE_ERROR)] * (K - 1) + [scored(1.0)]
        return [scored(4.8)] * K if ordinal % 3 == 1 else [scored(float(k)) for k in range(K)]

    world = World.make(directory, judge=Judge(outcomes))
    world.go(steps=2, groups=2)
    dropped = world.run.ledger.counts().dropped
    assert dropped[DropReason.TOO_FEW_SCORES] > 0 and dropped[DropReason.DEGENERATE] > 0
    assert [len(batch) for batch in world.learner.batches] == [2, 2]
    assert world.run.ledger.violations(final=True) == []


def test_a_stage_in_which_nothing_can_be_trained_ends_with_the_reasons(directory: Path) -> None:
    world = World.make(directory, judge=Judge(lambda request: [scored(4.9)] * K))
    with pytest.raises(ExceptionGroup) as caught:
        world.go(steps=1, groups=2)
    error = innermost(caught.value)
    assert isinstance(error, NothingTrainable) and "degenerate 16" in str(error)


def test_a_judge_that_fails_stops_the_run_with_the_reason(directory: Path) -> None:
    world = World.make(directory, judge=Judge(lambda request: [Failed(reason=FailureReason.UNAVAILABLE)] * K))
    with pytest.raises(ExceptionGroup) as caught:
        world.go(steps=1, groups=8)
    error = innermost(caught.value)
    assert isinstance(error, RewardsFailing) and "unavailable" in str(error)


@pytest.mark.parametrize("change", [{"digest": "other"}, {"version": -1}, {"bound_tensors": 0}])
def test_a_group_sampled_with_another_policy_stops_the_run(directory: Path, change: dict[str, Any]) -> None:
    world = World.make(directory)
    world.rollouts.fate = lambda request, sampled: replace(sampled, receipt=replace(sampled.receipt, **change))
    with pytest.raises(ExceptionGroup) as caught:
        world.go(steps=1, groups=2)
    assert isinstance(innermost(caught.value), AdapterMismatch)
    assert world.learner.batches == []


def test_a_lost_worker_costs_an_attempt_and_no_group(directory: Path) -> None:
    world = World.make(directory)
    world.rollouts.fate = lambda request, sampled: sampled if request.attempt else AttemptFailed("worker died", False)
    world.go(steps=2, groups=2)
    counts = world.run.ledger.counts()
    assert counts.trained == counts.admitted == 4
    assert world.run.ledger.violations(final=True) == []


def test_a_stop_ends_the_stage_at_a_step_boundary(directory: Path) -> None:
    world = World.make(directory)
    world.rollouts.pause_s = 0.02
    world.learner.on_step = lambda step: world.run.stop.request("SIGTERM received", 143) if step == 2 else None
    world.go(steps=50, groups=2)
    counts = world.run.ledger.counts()
    assert len(world.learner.batches) == 2 and counts.trained == 4
    assert counts.in_flight == counts.admitted - counts.trained > 0, "what a resume goes on with"
    assert world.run.ledger.violations() == []
    assert world.run.stages[0].steps == 2


def test_a_judge_that_says_the_same_of_everything_is_said_while_it_happens_and_at_the_end(directory: Path) -> None:
    shown: list[str] = []

    class Shown:
        def update(self, line: object) -> None:
            shown.append(str(line))

    world = World.make(directory, judge=Judge(lambda request: [scored(2.5)] * K), progress=Shown())
    world.go(steps=8, groups=2)
    assert not any("WARNING" in line for line in shown[:4]) and all("WARNING" in line for line in shown[4:])
    assert "for 8 steps the judge has found all candidates of each group alike" in shown[-1]
    [warning] = summarise(world.run, "succeeded", "", None, peak_memory_gib=1.5).warnings
    assert "alike in 16 of 16 trained groups" in warning


def test_the_summary_counts_what_the_ledger_recorded(directory: Path) -> None:
    world = World.make(directory)
    world.go(steps=2, groups=2)
    summary = summarise(world.run, "succeeded", "", None, peak_memory_gib=1.5)
    groups = summary.groups
    assert groups.admitted == groups.generated == groups.scored == groups.trained == 4
    assert summary.candidates.scored == 4 * K and summary.versions_published == 3
    assert summary.judge == {"judge_digest": "abc", "reward_digest": "def"}
    assert "stlpips" in summary.lower_is_better and "psnr" not in summary.lower_is_better
    assert write_up(summary, directory) == directory / "report.html"
    assert read_summary(directory) == summary


def test_versions_follow_steps(directory: Path) -> None:
    world = World.make(directory)
    world.go(steps=3, groups=1)
    assert world.run.ledger.versions() == 4
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 3 and '"reward_mean"' in lines[0]
