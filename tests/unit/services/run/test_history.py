"""The ledger answers what happened to a group, and where the time went."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from oars.alignment.drops import DropReason
from oars.compass.outcome import Failed, FailureReason, Scored
from services.run.history import History
from services.run.ledger import Ledger
from services.run.run_directory import BadRun


def ticking() -> Callable[[], float]:
    """A clock that goes on by a second with each fact."""
    seconds = count(1000)
    return lambda: float(next(seconds))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """One group that was lost once and then trained, and one that was dropped."""
    ledger = Ledger.drive(tmp_path / "ledger.sqlite", now=ticking())
    ledger.published(0, "digest")
    ledger.admit("abc1", 0, "fr_rl", 0, "photo@1", seed=7, version=0)
    ledger.attempt("abc1", 0)
    ledger.attempt_failed("abc1", 0, "rollout-0: killed")
    ledger.attempt("abc1", 1)
    ledger.sampled("abc1", 1, "rollout-1", 0, "digest", 8, 0.5, {"denoise": 2.0})
    scored = Scored(readings={"fidelity": 0.5, "q_lr": 2.0, "q_sr": 3.0, "confidence": 1.0}, reward=2.5)
    provenance: dict[str, object] = {"judge_digest": "judge", "replica": "r9"}
    ledger.scored("abc1", 1, [scored, Failed(reason=FailureReason.DEADLINE)], provenance)
    ledger.leased(1, "fr_rl", {"abc1": 0})
    ledger.stepped(1, {})
    ledger.acknowledged(1)
    ledger.admit("abd2", 1, "fr_rl", 1, "photo@2", seed=8, version=1)
    ledger.dropped("abd2", DropReason.FAILED, "3 attempts")
    ledger.close()
    return tmp_path


@pytest.mark.parametrize("name", ["0", "abc", "photo@1"])
def test_the_life_of_a_group_in_order(run: Path, name: str) -> None:
    with History.of(run) as history:
        text = "\n".join(history.group(name))
    told = [
        "group abc1: number 0 of the run, input 0 of fr_rl, image photo@1, seed 7",
        "0.00 s  admitted; newest version 0",
        "attempt 0 by driver 0: failed: rollout-0: killed",
        "attempt 1 by driver 0",
        "attempt 1 sampled by rollout-1 with version 0 (digest, 8 tensors bound); seconds: queued 0.50, denoise 2.00",
        "scored by replica r9, judge judge, reward none: 1 of 2 candidates, rewards 2.500 to 2.500",
        "candidate 1 deadline",
        "leased to step 1, 0 versions after its sampling",
        "step 1 done",
        "trained: a checkpoint holds step 1",
    ]
    places = [text.index(line) for line in told]
    assert places == sorted(places)


def test_a_dropped_group_says_why(run: Path) -> None:
    with History.of(run) as history:
        assert history.group("1")[-1].endswith("dropped: failed 3 attempts")


def test_no_group_or_several_are_one_line(run: Path) -> None:
    with History.of(run) as history, pytest.raises(BadRun, match="2 groups"):
        history.group("ab")
    with History.of(run) as history, pytest.raises(BadRun, match="no groups"):
        history.group("zzz")


def test_where_the_time_went(run: Path) -> None:
    with History.of(run) as history:
        phases = {phase.name: phase for phase in history.phases()}
    assert phases["wait for a worker"].total == 0.5 and phases["denoise"].mean == 2.0
    assert all(phases[name].groups == 1 for name in ("scoring", "held", "optimiser step", "until its checkpoint"))


def test_which_worker_sampled_with_which_version(run: Path) -> None:
    with History.of(run) as history:
        assert history.workers() == "workers: rollout-1 at version 0 (1)"
