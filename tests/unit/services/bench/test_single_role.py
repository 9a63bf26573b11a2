"""What can be replayed of a run: scored groups whose samples are there, without touching the run's ledger."""

from pathlib import Path

import pytest

from oars.compass.outcome import Scored
from services.bench.single_role import saved_groups
from services.run.ledger import Ledger
from services.run.run_directory import BadRun


def finished(ledger: Ledger, ordinal: int) -> str:
    group = f"group-{ordinal}"
    ledger.admit(group, ordinal, "nr_rl", ordinal, f"photo-{ordinal}", 1, 0)
    ledger.attempt(group, 0)
    ledger.sampled(group, 0, "rollout-0", 0, "digest", 8, 0.0, {})
    score = Scored(readings={"fidelity": 0.5, "q_lr": 2.0, "q_sr": 3.0, "confidence": 1.0}, reward=2.5)
    ledger.scored(group, 0, [score, score], {"replica": "r"})
    return group


def test_only_scored_groups_with_a_sample_in_the_order_of_admission(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    groups = [finished(ledger, ordinal) for ordinal in range(4)]
    ledger.leased(1, "nr_rl", {groups[1]: 0})
    ledger.stepped(1, {})
    ledger.leased(2, "nr_rl", {groups[3]: 1})
    (tmp_path / "experience").mkdir()
    for group in (groups[3], groups[1], groups[0]):
        (tmp_path / "experience" / f"{group}.safetensors").touch()
    before = (tmp_path / "ledger.sqlite").read_bytes()
    assert [group.group_id for group in saved_groups(tmp_path)] == [groups[0], groups[1], groups[3]]
    assert (tmp_path / "ledger.sqlite").read_bytes() == before
    ledger.close()


def test_a_run_without_saved_batches_is_one_line(tmp_path: Path) -> None:
    Ledger.drive(tmp_path / "ledger.sqlite").close()
    with pytest.raises(BadRun, match="no saved batches"):
        saved_groups(tmp_path)
