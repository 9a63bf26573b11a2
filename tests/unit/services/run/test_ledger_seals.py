"""A wrong bit anywhere in a ledger is noticed, and the row is named; none is invented."""

import sqlite3
from pathlib import Path

import pytest

from oars.alignment.drops import DropReason
from oars.compass.outcome import Failed, FailureReason, Scored
from services.run.ledger import Ledger
from services.run.ledger_file import reading
from services.run.run_directory import BadRun

SCORE = Scored(readings={"fidelity": 0.5, "q_lr": 2.0, "q_sr": 3.0, "confidence": 1.0}, reward=2.5)


def written(path: Path) -> Path:
    """A ledger with a row in every table, each of which was changed or deleted once where that happens."""
    ledger = Ledger.drive(path, now=lambda: 1000.0)
    ledger.published(0, "digest")
    for number in range(3):
        ledger.admit(f"group-{number}", number, "fr_rl", number, "photo", seed=2**62, version=0)
        ledger.attempt(f"group-{number}", 0)
    ledger.attempt_failed("group-2", 0, "died")
    for number in range(2):
        ledger.sampled(f"group-{number}", 0, "rollout-0", 0, "digest", 8, 0.5, {"denoise": 1.0})
        ledger.scored(f"group-{number}", 0, [SCORE, Failed(reason=FailureReason.DEADLINE)], {"replica": "r"})
        ledger.leased(1, "fr_rl", {f"group-{number}": 0})
        if number == 0:
            ledger.abandoned(1, DropReason.NON_FINITE, "nan")
    ledger.stepped(1, {"train": 1.0})
    ledger.acknowledged(1)
    ledger.close()
    return path


def problem(path: Path) -> str:
    """What the driver says, which is what a reader says; empty if nothing."""
    try:
        with reading(path) as db:
            db.execute("SELECT 1")
    except BadRun as error:
        with pytest.raises(BadRun):
            Ledger.drive(path)
        return str(error)
    return ""


def test_what_was_written_is_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.sqlite")
    assert problem(path) == ""
    Ledger.drive(path).close()
    assert problem(path) == ""


def test_a_flipped_bit_in_a_score_is_one_line_naming_run_and_row(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.sqlite")
    content = path.read_bytes()
    place = content.rindex(b'"q_lr": 2.0') + len(b'"q_lr": ')
    path.write_bytes(content[:place] + b"3" + content[place + 1 :])
    assert problem(path) == f"{path}: damaged: row 1 of scores (group-0) is not what was written"


def test_a_flipped_bit_changes_no_fact_unnoticed(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.sqlite")
    content, whole = path.read_bytes(), facts(path)
    for place in range(100, len(content), 41):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        line = problem(path)
        assert str(path) in line and "\n" not in line if line else facts(path) == whole


def facts(path: Path) -> list[list[object]]:
    db = sqlite3.connect(path)
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    found = [db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
    db.close()
    return found


def test_a_row_that_is_gone_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.sqlite")
    db = sqlite3.connect(path)
    db.executescript("DELETE FROM leases")
    db.close()
    assert "row 1 of leases is gone" in problem(path)


def test_a_ledger_without_digests_gets_them_from_its_next_driver(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.sqlite")
    db = sqlite3.connect(path)
    db.execute("DROP TABLE seals")
    db.close()
    assert problem(path) == ""
    Ledger.drive(path).close()
    db = sqlite3.connect(path)
    assert db.execute("SELECT COUNT(*) FROM seals WHERE name = 'scores'").fetchone() == (4,)
    db.close()
