"""Every admitted group leaves exactly once, whatever happens to it."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oars.alignment.drops import DropReason
from oars.compass.outcome import CandidateOutcome, Failed, FailureReason, Scored
from services.run.ledger import Ledger, Pending

SCORE = Scored(readings={"fidelity": 0.5, "q_lr": 2.0, "q_sr": 3.0, "confidence": 1.0}, reward=2.5)
FAILURE = Failed(reason=FailureReason.DEADLINE)


def admit(ledger: Ledger, group: str, ordinal: int = 0) -> None:
    ledger.admit(group, ordinal, "fr_rl", ordinal, "photo", seed=2**62, version=0)


def live(ledger: Ledger, group: str, outcomes: list[CandidateOutcome], ordinal: int = 0) -> None:
    ledger.published(0, "digest")
    admit(ledger, group, ordinal)
    ledger.attempt(group, 0)
    ledger.sampled(group, 0, "rollout-0", 0, "digest", 8, 0.5, {"denoise": 1.0})
    ledger.scored(group, 0, outcomes, {"replica": "r"})


def train(ledger: Ledger, staleness: dict[str, int], step: int) -> None:
    ledger.leased(step, "fr_rl", staleness)
    ledger.stepped(step, {"train": 1.0})
    ledger.acknowledged(step)


def test_a_trained_group_counts_once(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    live(ledger, "a", [SCORE, FAILURE])
    train(ledger, {"a": 1}, step=1)
    counts = ledger.counts()
    assert (counts.admitted, counts.sampled, counts.scored, counts.trained, counts.in_flight) == (1, 1, 1, 1, 0)
    assert counts.candidates_scored == 1 and counts.candidates_failed[FailureReason.DEADLINE] == 1
    assert ledger.staleness() == [1] and ledger.steps() == ledger.steps("fr_rl") == 1 and ledger.steps("nr_rl") == 0
    assert ledger.violations(final=True) == []


def test_a_step_counts_as_trained_only_once_a_checkpoint_holds_it(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    for number in range(3):
        live(ledger, f"group-{number}", [SCORE], number)
    ledger.leased(1, "fr_rl", {"group-0": 0})
    assert ledger.unfinished_step("fr_rl") is not None and ledger.trained_after(0) == []
    ledger.stepped(1, {})
    ledger.leased(2, "fr_rl", {"group-1": 1})
    ledger.stepped(2, {})
    assert ledger.unfinished_step("fr_rl") is None and ledger.counts().trained == 0
    for _ in range(2):
        ledger.acknowledged(1)
        assert ledger.counts().trained == 1
    assert ledger.needed(0) == ["group-0", "group-1", "group-2"] and ledger.needed(1) == ["group-1", "group-2"]
    assert [[g.group_id for g in batch.groups] for batch in ledger.trained_after(1)] == [["group-1"]]
    assert [g.group_id for g in ledger.held("fr_rl")] == ["group-2"]
    assert ledger.violations() == []


def test_a_group_whose_step_cannot_be_repeated_with_it_leaves_the_step(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    for number in range(2):
        live(ledger, f"group-{number}", [SCORE], number)
    train(ledger, {"group-0": 0, "group-1": 0}, step=1)
    ledger.lost("group-0", "its sample is damaged")
    assert [[g.group_id for g in batch.groups] for batch in ledger.trained_after(0)] == [["group-1"]]
    assert ledger.counts().trained == 1 and ledger.counts().dropped[DropReason.LOST] == 1
    assert ledger.violations(final=True) == []


def test_no_group_is_leased_twice(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    live(ledger, "a", [SCORE])
    ledger.leased(1, "fr_rl", {"a": 0})
    with pytest.raises(sqlite3.IntegrityError):
        ledger.leased(2, "fr_rl", {"a": 0})


def test_no_group_leaves_twice(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    live(ledger, "a", [SCORE])
    train(ledger, {"a": 0}, step=1)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.dropped("a", DropReason.STALE)
    assert ledger.counts().trained == 1


def test_a_batch_is_leased_whole_or_not_at_all(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    live(ledger, "a", [SCORE])
    with pytest.raises(sqlite3.IntegrityError):
        ledger.leased(1, "fr_rl", {"a": 0, "never admitted": 0})
    assert [g.group_id for g in ledger.held("fr_rl")] == ["a"] and ledger.unfinished_step("fr_rl") is None


def test_facts_about_unknown_groups_are_refused(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    with pytest.raises(sqlite3.IntegrityError):
        ledger.dropped("ghost", DropReason.FAILED)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.attempt("ghost", 0)


def test_the_checker_finds_what_the_schema_cannot(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    admit(ledger, "lost", 0)
    live(ledger, "failed attempt", [SCORE], 1)
    ledger.attempt_failed("failed attempt", 0, "died")
    ledger.dropped("failed attempt", DropReason.FAILED)
    live(ledger, "untrained", [SCORE], 2)
    ledger.leased(1, "fr_rl", {"untrained": 0})
    ledger.acknowledged(1)
    live(ledger, "dropped", [SCORE], 3)
    ledger.leased(2, "fr_rl", {"dropped": 0})
    ledger.dropped("dropped", DropReason.STALE)
    admit(ledger, "invented", 4)
    ledger.attempt("invented", 0)
    ledger.sampled("invented", 0, "rollout-0", 1, "unknown", 8, 0.0, {})
    ledger.scored("invented", 0, [SCORE], {})
    admit(ledger, "older", 5)
    ledger.attempt("older", 0)
    ledger.sampled("older", 0, "rollout-0", 0, "digest", 8, 0.0, {})
    assert sorted(ledger.violations()) == [
        "group dropped: dropped after it was leased",
        "group failed attempt: scored by an attempt that failed",
        "group invented: has a score that no judge gave",
        "group invented: sampled with a version that was never published",
        "group older: sampled by a worker that went back to an older version",
        "group untrained: trained in a step that was never done",
    ]
    assert set(ledger.violations(final=True)) - set(ledger.violations()) == {
        "group invented: admitted but never left",
        "group lost: admitted but never left",
        "group older: admitted but never left",
    }


def test_another_driver_finds_everything_where_the_last_one_left_it(tmp_path: Path) -> None:
    first = Ledger.drive(tmp_path / "ledger.sqlite", now=lambda: 100.0)
    live(first, "finished", [SCORE, FAILURE], 0)
    admit(first, "pending", 1)
    first.attempt("pending", 0)
    live(first, "trained", [SCORE], 2)
    first.leased(1, "fr_rl", {"trained": 0})
    first.stepped(1, {"train": 2.5})
    first.close()
    second = Ledger.drive(tmp_path / "ledger.sqlite", now=lambda: 900.0)
    assert second.needed(1) == ["finished", "pending", "trained"]
    assert second.pending("fr_rl") == [Pending(ordinal=1, input=1, attempts=1)]
    (held,) = second.held("fr_rl")
    assert (held.group_id, held.version) == ("finished", 0)
    assert held.outcomes == (SCORE, Failed(reason=FailureReason.DEADLINE))
    assert (second.next_ordinal(), second.admitted("fr_rl"), second.steps(), second.started()) == (3, 3, 1, 100.0)
    assert second.clocks() == {"train": 2.5} and second.digest(0) == "digest" and second.digest(1) is None


@given(st.lists(st.sampled_from(["trained", "in flight", *DropReason]), max_size=12))
def test_counts_add_up(exits: list[str]) -> None:
    ledger = Ledger.drive(Path(":memory:"))
    for ordinal, leaving in enumerate(exits):
        live(ledger, str(ordinal), [SCORE], ordinal)
        if leaving == "trained":
            train(ledger, {str(ordinal): 0}, step=ordinal)
        elif isinstance(leaving, DropReason):
            ledger.dropped(str(ordinal), leaving)
    counts = ledger.counts()
    assert counts.admitted == len(exits)
    assert counts.trained == exits.count("trained")
    assert counts.in_flight == exits.count("in flight") == len(ledger.needed(len(exits)))
    assert all(counts.dropped[reason] == exits.count(reason) for reason in DropReason)
    assert ledger.violations() == []
    ledger.close()


@given(st.lists(st.integers(-3600, 3600), min_size=6, max_size=6))
def test_a_clock_that_jumps_breaks_no_rule(jumps: list[int]) -> None:
    times = iter([10**9 + jump for jump in jumps] * 20)
    ledger = Ledger.drive(Path(":memory:"), now=lambda: float(next(times)))
    for step in range(3):
        ledger.published(step, f"digest-{step}")
        admit(ledger, str(step), step)
        ledger.attempt(str(step), 0)
        ledger.sampled(str(step), 0, "rollout-0", step, f"digest-{step}", 8, 0.5, {})
        ledger.scored(str(step), 0, [SCORE], {"replica": "abc"})
        train(ledger, {str(step): 0}, step + 1)
    assert ledger.violations(final=True) == [] and ledger.digest(2) == "digest-2"
    ledger.close()
