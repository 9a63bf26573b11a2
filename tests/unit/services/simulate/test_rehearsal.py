"""The control plane at scale, in virtual time: it keeps its bottleneck busy, and loses nothing whatever goes wrong."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oars.alignment.drops import DropReason
from oars.config import BadConfig
from services.simulate.rehearsal import Rehearsal, rehearse
from services.simulate.scenario import Scenario, load_scenario, shipped
from services.simulate.table import workers_per_conductor


class Silent:
    def update(self, line: object) -> None: ...


def rehearsed(directory: Path, name: str, *overrides: str) -> tuple[Scenario, Rehearsal]:
    scenario = load_scenario(name, list(overrides))
    return scenario, rehearse(scenario, directory, Silent())


def test_at_paper_scale_the_bottleneck_is_busy(tmp_path: Path) -> None:
    _, result = rehearsed(tmp_path, "paper", "learner.steps=20")
    assert result.trained == 160 and result.violations == []
    assert result.share_of_bound >= 0.95
    assert result.staleness_max <= 2 and not any(result.dropped.values())


def test_256_workers_keep_busy_and_one_conductor_is_enough(tmp_path: Path) -> None:
    scenario, result = rehearsed(tmp_path, "fleet", "learner.steps=12", "rollout.candidates=2")
    assert result.violations == [] and result.bottleneck == "rollout"
    assert result.share_of_bound >= 0.95
    assert workers_per_conductor(scenario, result) > scenario.rollout.workers


@pytest.mark.parametrize(
    ("bottleneck", "changes"),
    [
        ("judge", ["judge.replicas=2", "judge.at_once=2", "judge.score.mean=400", "reward.deadline_s=2000"]),
        ("learner", ["learner.step.mean=600"]),
    ],
)
def test_whatever_is_the_bottleneck_is_busy(tmp_path: Path, bottleneck: str, changes: list[str]) -> None:
    slow = ["rollout.workers=8", "rollout.sample.mean=480", "learner.step.mean=500"]
    common = [*slow, "learner.steps=30", "control.max_staleness=3"]
    _, result = rehearsed(tmp_path, "paper", *common, *changes)
    assert result.bottleneck == bottleneck
    assert result.share_of_bound >= 0.95


def test_a_bad_day_loses_nothing(tmp_path: Path) -> None:
    changes = ["learner.steps=12", "rollout.candidates=4", "learner.groups=64", "rollout.workers=64"]
    _, result = rehearsed(tmp_path, "fleet-faults", "faults.learner_dies=0.2", *changes)
    assert result.violations == [] and result.trained == 12 * 64
    assert result.failed_attempts > 0 and result.learner_losses > 0
    assert result.dropped[DropReason.DEGENERATE] > 0
    assert result.staleness_max <= 4


def test_synchronous_training_drops_nothing(tmp_path: Path) -> None:
    _, result = rehearsed(tmp_path, "paper", "learner.steps=8", "control.max_staleness=0", "learner.publish.mean=60")
    assert result.violations == [] and not any(result.dropped.values())
    assert result.staleness_max == 0


def test_a_judge_that_cannot_keep_up_slows_admission(tmp_path: Path) -> None:
    """Eight workers make four times what the one replica takes; all that may be in flight at once would wait at the
    judge for 4,800 s, far beyond the deadline, if admission did not feel it."""
    workers = ["rollout.workers=8", "rollout.sample.mean=60", "learner.groups=32", "learner.step.mean=60"]
    judge = ["judge.replicas=1", "judge.at_once=1", "judge.score.mean=30", "reward.deadline_s=600"]
    _, result = rehearsed(tmp_path, "paper", *workers, *judge, "learner.steps=8", "control.max_staleness=4")
    assert result.violations == [] and result.share_of_bound >= 0.95
    assert sum(result.candidates_failed.values()) == 0, "no group was given up"


@settings(max_examples=12)
@given(
    st.sampled_from([0, 1, 2, 4, "unbounded"]),
    st.integers(1, 6),
    st.integers(1, 4),
    st.floats(0, 0.3),
    st.floats(0, 0.1),
    st.floats(0, 0.3),
    st.integers(0, 10**6),
)
def test_every_group_leaves_once_under_any_faults(
    tmp_path_factory: pytest.TempPathFactory,
    staleness: int | str,
    workers: int,
    groups: int,
    dies: float,
    hangs: float,
    losses: float,
    seed: int,
) -> None:
    faults = {"worker_dies": dies, "worker_hangs": hangs, "replica_dies": dies, "degenerate": dies}
    tree: dict[str, Any] = {
        "name": "any",
        "seed": seed,
        "rollout": {"workers": workers, "candidates": 4, "sample": {"mean": 10, "cv": 1.0}},
        "judge": {"replicas": 2, "score": {"mean": 5, "shape": "exponential"}},
        "learner": {"steps": 6, "groups": groups, "step": {"mean": 20, "cv": 0.5}},
        "faults": faults | {"learner_dies": losses, "candidate_fails": dies},
        "control": {"max_staleness": staleness, "learner_restarts": 20, "checkpoint_every": 2},
        # A run that the breaker stops has no end to hold to account; the breaker has tests of its own.
        "reward": {"max_failure_rate": 1.0},
    }
    result = rehearse(Scenario.model_validate(tree), tmp_path_factory.mktemp("run"), Silent())
    assert result.violations == []
    assert result.trained == 6 * groups
    assert staleness == "unbounded" or result.staleness_max <= int(staleness)


def test_the_same_seed_is_the_same_rehearsal(tmp_path: Path) -> None:
    results = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        changes = ["learner.steps=6", "rollout.workers=8", "rollout.candidates=2", "learner.groups=4"]
        results.append(rehearsed(tmp_path / name, "fleet-faults", *changes)[1])
    first, second = ((r.seconds, r.trained, r.idle, r.dropped, r.failed_attempts) for r in results)
    assert first == second


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [("nowhere", [], "no scenario 'nowhere'"), ("paper", ["rollout.workers=0"], "rollout.workers")],
)
def test_bad_scenarios_are_one_line(name: str, overrides: list[str], message: str) -> None:
    with pytest.raises(BadConfig, match=message) as raised:
        load_scenario(name, overrides)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_are_valid(name: str) -> None:
    assert load_scenario(name, []).name == name
