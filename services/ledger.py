"""The life of every group, in SQLite (WAL) in the run directory.

    admitted -> attempt 0, 1, ... -> sampled -> scored -> exactly one exit: trained | dropped(reason)

The schema keeps the invariant: an exit's primary key is its group, so a second exit is refused by the database, and
foreign keys refuse whatever was never admitted. `violations` tests the rest. One connection, used by one thread; each
call is one transaction, so a killed driver leaves whole facts.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oars.compass.outcome import CandidateOutcome, Failed, FailureReason
from services.drops import DropReason

_SCHEMA = """
CREATE TABLE IF NOT EXISTS groups (
    group_id TEXT PRIMARY KEY, ordinal INTEGER NOT NULL UNIQUE, stage TEXT NOT NULL, image_id TEXT NOT NULL,
    seed INTEGER NOT NULL, version INTEGER NOT NULL, at REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS attempts (
    group_id TEXT NOT NULL REFERENCES groups, attempt INTEGER NOT NULL, at REAL NOT NULL, error TEXT,
    PRIMARY KEY (group_id, attempt)) STRICT;
CREATE TABLE IF NOT EXISTS samples (
    group_id TEXT PRIMARY KEY REFERENCES groups, attempt INTEGER NOT NULL, worker TEXT NOT NULL,
    version INTEGER NOT NULL, digest TEXT NOT NULL, bound_tensors INTEGER NOT NULL, seconds TEXT NOT NULL,
    at REAL NOT NULL, FOREIGN KEY (group_id, attempt) REFERENCES attempts) STRICT;
CREATE TABLE IF NOT EXISTS scorings (
    group_id TEXT PRIMARY KEY REFERENCES samples, provenance TEXT NOT NULL, at REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS scores (
    group_id TEXT NOT NULL REFERENCES scorings, candidate INTEGER NOT NULL, failure TEXT,
    fidelity REAL, q_lr REAL, q_sr REAL, reward REAL, confidence REAL, PRIMARY KEY (group_id, candidate),
    CHECK ((failure IS NULL) = (reward IS NOT NULL))) STRICT;
CREATE TABLE IF NOT EXISTS exits (
    group_id TEXT PRIMARY KEY REFERENCES groups, reason TEXT, detail TEXT, stage_step INTEGER, staleness INTEGER,
    at REAL NOT NULL, CHECK ((reason IS NULL) = (stage_step IS NOT NULL))) STRICT;
"""

# Each finds groups that break one rule; the text is what the rule's breach is called.
_RULES = {
    "trained without a scoring": "SELECT group_id FROM exits WHERE reason IS NULL "
    "AND group_id NOT IN (SELECT group_id FROM scorings)",
    "sampled by an attempt that failed": "SELECT group_id FROM samples JOIN attempts USING (group_id, attempt) "
    "WHERE error IS NOT NULL",
    "scored without any candidate": "SELECT group_id FROM scorings WHERE group_id NOT IN (SELECT group_id FROM scores)",
    "trained staler than it can be": "SELECT group_id FROM exits WHERE staleness < 0",
}
_NO_EXIT = "SELECT group_id FROM groups WHERE group_id NOT IN (SELECT group_id FROM exits)"


@dataclass(frozen=True)
class Counts:
    """Totals over the run so far."""

    admitted: int
    sampled: int
    scored: int
    trained: int
    dropped: dict[DropReason, int]
    candidates_scored: int
    candidates_failed: dict[FailureReason, int]

    @property
    def in_flight(self) -> int:
        return self.admitted - self.trained - sum(self.dropped.values())


class Ledger:
    """Raises sqlite3.IntegrityError on whatever would break the life cycle above."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """`now` gives the Unix time that each fact is stamped with."""
        self._now = now
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;" + _SCHEMA)

    def close(self) -> None:
        self._db.close()

    def admit(self, group_id: str, ordinal: int, stage: str, image_id: str, seed: int, version: int) -> None:
        """`ordinal` is the place in the order of admission, over all stages; `version` the newest one published."""
        self._insert("groups", group_id, ordinal, stage, image_id, seed, version, self._now())

    def attempt(self, group_id: str, attempt: int) -> None:
        self._insert("attempts", group_id, attempt, self._now(), None)

    def attempt_failed(self, group_id: str, attempt: int, error: str) -> None:
        self._db.execute("UPDATE attempts SET error = ? WHERE group_id = ? AND attempt = ?", (error, group_id, attempt))

    def sampled(
        self, group_id: str, attempt: int, worker: str, version: int, digest: str, bound: int, seconds: dict[str, float]
    ) -> None:
        self._insert("samples", group_id, attempt, worker, version, digest, bound, json.dumps(seconds), self._now())

    def scored(self, group_id: str, outcomes: Sequence[CandidateOutcome], provenance: dict[str, object]) -> None:
        """One outcome a candidate, in order; `provenance` must be JSON."""
        with self._db:
            self._db.execute("BEGIN")
            self._insert("scorings", group_id, json.dumps(provenance), self._now())
            for candidate, outcome in enumerate(outcomes):
                self._insert("scores", group_id, candidate, *_columns(outcome))

    def trained(self, staleness: dict[str, int], step: int) -> None:
        """`staleness` by group id, of the whole batch that optimiser step `step` of the run consumed."""
        with self._db:
            self._db.execute("BEGIN")
            for group_id, behind in staleness.items():
                self._insert("exits", group_id, None, None, step, behind, self._now())

    def dropped(self, group_id: str, reason: DropReason, detail: str = "") -> None:
        self._insert("exits", group_id, str(reason), detail, None, None, self._now())

    def in_flight(self) -> list[str]:
        """Ids of groups without an exit."""
        return self._column(_NO_EXIT)

    def counts(self) -> Counts:
        drops = dict(self._rows("SELECT reason, COUNT(*) FROM exits WHERE reason IS NOT NULL GROUP BY reason"))
        failures = dict(self._rows("SELECT failure, COUNT(*) FROM scores WHERE failure IS NOT NULL GROUP BY failure"))
        return Counts(
            admitted=self._count("groups"),
            sampled=self._count("samples"),
            scored=self._count("scorings"),
            trained=self._count("exits WHERE reason IS NULL"),
            dropped={reason: int(drops.get(reason, 0)) for reason in DropReason},
            candidates_scored=self._count("scores WHERE failure IS NULL"),
            candidates_failed={reason: int(failures.get(reason, 0)) for reason in FailureReason},
        )

    def staleness(self) -> list[int]:
        """Of every trained group, in training order."""
        return self._column("SELECT staleness FROM exits WHERE reason IS NULL ORDER BY stage_step, rowid")

    def violations(self, final: bool = False) -> list[str]:
        """One line per broken rule and group; `final` adds that nothing may be in flight any more."""
        rules = _RULES | ({"admitted but never left": _NO_EXIT} if final else {})
        return [f"group {group}: {what}" for what, query in rules.items() for group in self._column(query)]

    def _insert(self, table: str, *values: object) -> None:
        self._db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)

    def _rows(self, query: str) -> list[tuple[str, int]]:
        return self._db.execute(query).fetchall()

    def _column(self, query: str) -> list:  # type: ignore[type-arg]  # one column of whatever type the query names
        return [row[0] for row in self._db.execute(query)]

    def _count(self, source: str) -> int:
        return int(self._db.execute(f"SELECT COUNT(*) FROM {source}").fetchone()[0])


def _columns(outcome: CandidateOutcome) -> tuple[object, ...]:
    if isinstance(outcome, Failed):
        return (str(outcome.reason), None, None, None, None, None)
    return (None, outcome.fidelity, outcome.q_lr, outcome.q_sr, outcome.reward, outcome.confidence)
