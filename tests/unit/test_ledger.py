"""Every admitted group leaves exactly once, whatever happens to it."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.outcome import CandidateOutcome, Failed, FailureReason, Scored
from services.drops import DropReason
from services.ledger import Ledger

SCORE = Scored(fidelity=0.5, q_lr=2.0, q_sr=3.0, reward=2.5, confidence=1.0)
FAILURE = Failed(reason=FailureReason.DEADLINE)


def admit(ledger: Ledger, group: str, ordinal: int = 0) -> None:
    ledger.admit(group, ordinal, "fr_rl", "photo", seed=2**62, version=0)


def live(ledger: Ledger, group: str, outcomes: list[CandidateOutcome], ordinal: int = 0) -> None:
    admit(ledger, group, ordinal)
    ledger.attempt(group, 0)
    ledger.sampled(group, 0, "rollout-0", 0, "digest", 8, {"denoise": 1.0})
    ledger.scored(group, outcomes, {"judge": "abc"})


def test_a_trained_group_counts_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    live(ledger, "a", [SCORE, FAILURE])
    ledger.trained({"a": 1}, step=3)
    counts = ledger.counts()
    assert (counts.admitted, counts.sampled, counts.scored, counts.trained, counts.in_flight) == (1, 1, 1, 1, 0)
    assert counts.candidates_scored == 1 and counts.candidates_failed[FailureReason.DEADLINE] == 1
    assert ledger.staleness() == [1]
    assert ledger.violations(final=True) == []


@pytest.mark.parametrize("second", ["train", "drop"])
def test_no_group_leaves_twice(tmp_path: Path, second: str) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    live(ledger, "a", [SCORE])
    ledger.trained({"a": 0}, step=0)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.trained({"a": 0}, step=1) if second == "train" else ledger.dropped("a", DropReason.STALE)
    assert ledger.counts().trained == 1


def test_a_batch_is_trained_whole_or_not_at_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    live(ledger, "a", [SCORE])
    with pytest.raises(sqlite3.IntegrityError):
        ledger.trained({"a": 0, "never admitted": 0}, step=0)
    assert ledger.in_flight() == ["a"]


def test_facts_about_unknown_groups_are_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(sqlite3.IntegrityError):
        ledger.dropped("ghost", DropReason.FAILED)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.attempt("ghost", 0)


def test_the_checker_finds_what_the_schema_cannot(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    admit(ledger, "lost", 0)
    admit(ledger, "unscored", 1)
    ledger.trained({"unscored": 0}, step=0)
    live(ledger, "failed attempt", [SCORE], 2)
    ledger.attempt_failed("failed attempt", 0, "died")
    ledger.dropped("failed attempt", DropReason.FAILED)
    assert sorted(ledger.violations(final=True)) == [
        "group failed attempt: sampled by an attempt that failed",
        "group lost: admitted but never left",
        "group unscored: trained without a scoring",
    ]
    assert len(ledger.violations()) == 2


def test_the_ledger_survives_being_reopened(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger.sqlite")
    live(first, "a", [SCORE])
    first.close()
    second = Ledger(tmp_path / "ledger.sqlite")
    assert second.in_flight() == ["a"]


@given(st.lists(st.sampled_from(["trained", "in flight", *DropReason]), max_size=12))
def test_counts_add_up(exits: list[str]) -> None:
    ledger = Ledger(Path(":memory:"))
    for ordinal, leaving in enumerate(exits):
        live(ledger, str(ordinal), [SCORE], ordinal)
        if leaving == "trained":
            ledger.trained({str(ordinal): 0}, step=ordinal)
        elif isinstance(leaving, DropReason):
            ledger.dropped(str(ordinal), leaving)
    counts = ledger.counts()
    assert counts.admitted == len(exits)
    assert counts.trained == exits.count("trained")
    assert counts.in_flight == exits.count("in flight") == len(ledger.in_flight())
    assert all(counts.dropped[reason] == exits.count(reason) for reason in DropReason)
    assert ledger.violations() == []
    ledger.close()
