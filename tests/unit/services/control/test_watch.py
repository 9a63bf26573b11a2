"""The watch in virtual time: an alarm ends, pauses or rolls back a run between steps, and nothing is lost by it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_roles import Judge, Learner, Rollouts, Samples, Silent, Source, scored, virtual_now

from oars.alignment.drops import DropReason
from oars.alignment.messages import AttemptFailed, PolicySnapshot, RolloutRequest, Sampled
from oars.alignment.stage import RL_STAGES
from oars.compass.outcome import Failed, FailureReason
from oars.config import AlarmsConfig, RunConfig
from oars.evaluation.watch import Measures
from oars.imaging.crops import Pair
from oars.report.summary import Summary
from services.align import rl_stage
from services.control.group_runner import retry_policy
from services.control.policy_store import PolicyStore
from services.control.roles import conductor_of, observer_of, watch_of
from services.control.watch import PAUSED
from services.results.write_up import summarise
from services.run.ledger import Ledger
from services.run.run import Run
from services.run.stopping import StopRequest
from services.run.telemetry import Telemetry
from services.run.watchdog import Watchdog
from services.simulate.virtual_time import run_virtual

PAIRS = [Pair(f"crop-{n}", np.zeros((4, 4, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)) for n in range(3)]
PERFECT = {
    "psnr": 25.0, "stlpips": 0.3, "cvvdp": 7.0, "speckle": 1.0, "speckle_gt": 1.0, "luma": 0.0, "cb": 0.0, "cr": 0.0,
    "down": 0.0, "right": 0.0, "zoom": 1.0, "diversity": 3.0,
}  # fmt: skip


@dataclass
class World:
    """A run whose policy weaves a lattice of an amplitude that follows from the RL step."""

    directory: Path
    weave: Callable[[int], float]
    action: str = "roll_back"
    rollouts: Rollouts = field(default_factory=lambda: Rollouts(random.Random(0), pause_s=0.01))
    judge: Judge = field(default_factory=Judge)
    stop: StopRequest = field(default_factory=StopRequest)
    trained: int = 0
    result: PolicySnapshot | None = None

    async def measure(self, images: Sequence[Any], pairs: Sequence[Pair]) -> Measures | AttemptFailed:
        """By the version that is published, as if the pictures showed it."""
        assert self.rollouts.published is not None
        power = self.weave(self.rollouts.published.version) ** 2
        return {name: [value] * len(pairs) for name, value in PERFECT.items()}, {8: power, 16: power}

    def go(self) -> Summary:
        stages = {"fr_rl": {"steps": 24, "groups": 2}, "nr_rl": {"steps": 8, "groups": 2}}
        config = RunConfig.model_validate(
            {"stages": stages, "alarms": {"lattice": {"limit": 1.0, "action": self.action}, "every": 4}}
        )
        ledger, telemetry = Ledger.drive(self.directory / "ledger.sqlite"), Telemetry(self.directory, "run", None)
        run = Run("run", self.directory, config, ledger, telemetry, Watchdog(60), self.stop, Silent(), now=virtual_now)
        try:
            run_virtual(lambda: self._align(run))
            return summarise(run, "succeeded", "", None, 0.0)
        finally:
            self.violations = ledger.violations(final=not run.stop.requested)
            telemetry.close()
            ledger.close()

    async def _align(self, run: Run) -> None:
        learner, policies, samples = Learner(self.rollouts), PolicyStore(lambda snapshot: snapshot), Samples()
        observer = observer_of(run)
        watch = watch_of(run, observer, PAIRS, self.rollouts, self.judge, learner, policies, self.measure)
        retry = retry_policy(3, lambda: 0.0)
        conductor = conductor_of(
            run, observer, Source(), self.rollouts, self.judge, learner, policies, samples, retry, watch
        )
        await conductor.begin()
        for stage in RL_STAGES:
            run.stage_ended(stage.name, await rl_stage(conductor, stage))
        if not run.stop.requested:
            self.result = await conductor.result()
        self.trained = len(learner.batches)


def honest(step: int) -> float:
    return 0.4


def from_step(first: int) -> Callable[[int], float]:
    return lambda step: 4.0 if step >= first else 0.4


def test_an_honest_run_raises_nothing_and_trains_to_its_end(tmp_path: Path) -> None:
    world = World(tmp_path, honest)
    summary = world.go()
    assert world.trained == 32 and summary.alarms == [] and summary.rolled_back_to is None
    assert world.result is not None and world.result.version == 32
    asked = {count for request, count in world.judge.counts.items() if request.startswith("watch-")}
    assert asked == {AlarmsConfig().candidates}


def test_a_weave_is_rolled_back_to_the_last_good_look_within_twenty_steps(tmp_path: Path) -> None:
    world = World(tmp_path, from_step(7))
    summary = world.go()
    [alarm] = summary.alarms
    assert (alarm.name, alarm.action) == ("lattice", "roll_back") and alarm.step <= 12
    assert summary.rolled_back_to == 4 and world.result is not None and world.result.digest == "average-4"
    assert world.trained <= 20
    assert summary.groups.dropped[DropReason.ENDED] > 0 and world.violations == []


def test_one_that_was_there_from_the_first_step_is_rolled_back_to_the_start(tmp_path: Path) -> None:
    world = World(tmp_path, from_step(1))
    assert world.go().rolled_back_to == 0
    assert world.result is not None and world.result.digest == "average-0"


def test_stop_evaluates_the_weights_of_now(tmp_path: Path) -> None:
    world = World(tmp_path, from_step(7), action="stop")
    summary = world.go()
    assert summary.rolled_back_to is None and world.violations == []
    assert world.result is not None and world.result.version == world.trained < 24


def test_warn_goes_on_to_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, from_step(7), action="warn")
    summary = world.go()
    assert world.trained == 32 and [alarm.action for alarm in summary.alarms] == ["warn"] * 3


def test_pause_ends_with_its_code_and_a_resumed_run_goes_on(tmp_path: Path) -> None:
    first = World(tmp_path, from_step(7), action="pause")
    first.go()
    assert first.stop.exit_code == PAUSED and "alarm lattice at step 12" in first.stop.reason
    # The fake learner has no checkpoint, so only what the watch itself remembers is looked at here.
    entries = (tmp_path / "looks.jsonl").read_text().splitlines()
    assert len(entries) == 4


def test_a_run_that_was_rolled_back_stays_so_for_the_next_driver(tmp_path: Path) -> None:
    World(tmp_path, from_step(7)).go()
    again = World(tmp_path, honest)
    summary = again.go()
    assert again.trained == 0 and again.result is not None and again.result.version == 4
    assert summary.rolled_back_to == 4


def no_candidates(request: RolloutRequest, sampled: Sampled) -> Sampled | AttemptFailed:
    return AttemptFailed("worker died", timed_out=False) if request.group_id.startswith("watch-4") else sampled


def no_score(request: str) -> list[Any]:
    failed = request.startswith("watch-") and request.endswith(".4")
    return [Failed(reason=FailureReason.UNAVAILABLE, detail="") if failed else scored(k) for k in range(4)]


@pytest.mark.parametrize("role", ["rollouts", "judge"])
def test_a_look_that_fails_is_left_out(tmp_path: Path, role: str) -> None:
    world = World(tmp_path, honest)
    if role == "rollouts":
        world.rollouts.fate = no_candidates
    else:
        world.judge.outcomes = no_score
    world.go()
    assert world.trained == 32
    steps = [line.split(":")[2].split(",")[0] for line in (tmp_path / "looks.jsonl").read_text().splitlines()]
    assert steps == ["0", "8", "12", "16", "20", "24", "28", "32"]
