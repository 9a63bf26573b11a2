"""The life of every group, in SQLite in the run directory: the truth about a run, and what a resume starts from.

    admitted -> attempt 0, 1, ... -> sampled -> scored -> leased -> exactly one exit: trained
                                                     any of these -> exactly one exit: dropped(reason)

A lease gives a scored group to one optimiser step, for good unless the step turns out to be impossible (`abandoned`:
its groups leave, dropped) or the group cannot be trained again when its step has to be repeated (`lost`). It becomes
the exit `trained` when a checkpoint holds that step (`acknowledged`); a step that was lost with its learner, or with a
damaged checkpoint, is repeated with the very same batch, so nothing is trained twice. Each fact has a primary key and
its foreign keys, so the database itself refuses a second exit, a second lease, and whatever was never admitted;
`services/run/ledger_rules.py` tests the rest. One connection, used by one thread; each call is one transaction, on disk
when it returns, so a killed driver leaves whole facts. `services/run/ledger_file.py` opens the file.
"""

import json
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oars.alignment.drops import DropReason
from oars.compass.outcome import CandidateOutcome, Failed, FailureReason, Scored
from services.run.ledger_file import open_to_write, reading
from services.run.ledger_rules import NO_EXIT, SCHEMA, violations

# Rewards closer than this are the same picture to the judge.
NO_SPREAD = 1e-6


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


@dataclass(frozen=True)
class Pending:
    """A group that was admitted and has neither a scoring nor an exit."""

    ordinal: int
    input: int
    attempts: int
    """Attempts made so far, by any driver: the number of the next one."""


@dataclass(frozen=True)
class Finished:
    """A group with a scoring. The scores of a candidate that failed are its reason alone."""

    group_id: str
    ordinal: int
    version: int
    """The version that sampled it."""
    outcomes: tuple[CandidateOutcome, ...]


@dataclass(frozen=True)
class TrainedBatch:
    """Groups that an optimiser step consumed."""

    step: int
    groups: list[Finished]


class Ledger:
    """Raises sqlite3.IntegrityError for a record that would break the life cycle above."""

    def __init__(self, db: sqlite3.Connection, now: Callable[[], float]) -> None:
        self._db, self._now = db, now
        self._driver = self._count("drivers") - 1

    @classmethod
    def drive(cls, path: Path, now: Callable[[], float] = time.time) -> "Ledger":
        """For another driver, the newest, which is recorded; `now` gives the Unix time that each fact is stamped with.

        Raises BadRun.
        """
        db = open_to_write(path, SCHEMA)
        row = (socket.gethostname(), os.getpid(), now())
        db.execute("INSERT INTO drivers SELECT COUNT(*), ?, ?, ?, NULL FROM drivers", row)
        return cls(db, now)

    @classmethod
    @contextmanager
    def reading(cls, path: Path) -> Iterator["Ledger"]:
        """Open for reading, from anywhere and at any time. Raises BadRun."""
        with reading(path) as db:
            yield cls(db, time.time)

    def close(self) -> None:
        self._db.close()

    # The life of a group

    def admit(
        self, group_id: str, ordinal: int, stage: str, index: int, image_id: str, seed: int, version: int
    ) -> None:
        """`ordinal` is the place in the order of admission over all stages, `index` the input of its stage, `version`
        the newest one published."""
        self._insert("groups", group_id, ordinal, stage, index, image_id, seed, version, self._now())

    def attempt(self, group_id: str, attempt: int) -> None:
        self._insert("attempts", group_id, attempt, self._driver, self._now(), None)

    def attempt_failed(self, group_id: str, attempt: int, error: str) -> None:
        self._db.execute("UPDATE attempts SET error = ? WHERE group_id = ? AND attempt = ?", (error, group_id, attempt))

    def sampled(
        self,
        group_id: str,
        attempt: int,
        worker: str,
        version: int,
        digest: str,
        bound: int,
        queued_s: float,
        seconds: dict[str, float],
    ) -> None:
        times = json.dumps(seconds)
        self._insert("samples", group_id, attempt, worker, version, digest, bound, queued_s, times, self._now())

    def scored(
        self, group_id: str, attempt: int, outcomes: Sequence[CandidateOutcome], provenance: dict[str, object]
    ) -> None:
        """One outcome a candidate, in order; `provenance` must be JSON."""
        with self._db:
            self._db.execute("BEGIN")
            self._insert("scorings", group_id, attempt, json.dumps(provenance), self._now())
            for candidate, outcome in enumerate(outcomes):
                self._insert("scores", group_id, candidate, *_columns(outcome))

    def leased(self, step: int, stage: str, staleness: dict[str, int]) -> None:
        """Optimiser step `step` of the run, counted from 1, is about to consume these groups."""
        with self._db:
            self._db.execute("BEGIN")
            self._insert("steps", step, stage, self._now(), None)
            for group_id, behind in staleness.items():
                self._insert("leases", group_id, step, behind)

    def abandoned(self, step: int, reason: DropReason, detail: str) -> None:
        """The step will never be done: its groups leave, dropped, and its number goes to the next batch."""
        with self._db:
            self._db.execute("BEGIN")
            for (group_id,) in self._db.execute("SELECT group_id FROM leases WHERE step = ?", (step,)).fetchall():
                self._insert("exits", group_id, str(reason), detail, None, None, self._now())
            self._db.execute("DELETE FROM leases WHERE step = ?", (step,))
            self._db.execute("DELETE FROM steps WHERE step = ? AND done IS NULL", (step,))

    def stepped(self, step: int, seconds: dict[str, float]) -> None:
        """The step is done; `seconds` are the clocks of the run."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("UPDATE steps SET done = ? WHERE step = ?", (self._now(), step))
            self.record_clocks(seconds)

    def published(self, version: int, digest: str) -> None:
        """Once more after a resume, which changes nothing if the digest is the same."""
        self._db.execute("INSERT OR IGNORE INTO versions VALUES (?, ?, ?)", (version, digest, self._now()))

    def acknowledged(self, step: int) -> None:
        """A checkpoint holds everything up to this step: its groups leave, trained."""
        query = (
            "SELECT group_id, step, staleness FROM leases WHERE step <= ? AND group_id NOT IN "
            "(SELECT group_id FROM exits) ORDER BY step, rowid"
        )
        with self._db:
            self._db.execute("BEGIN")
            leaving = self._db.execute(query, (step,)).fetchall()
            for group_id, at_step, behind in leaving:
                self._insert("exits", group_id, None, None, at_step, behind, self._now())

    def lost(self, group_id: str, detail: str) -> None:
        """The step of this group has to be repeated and its sample is gone: it leaves the step, dropped, even if a
        checkpoint that turned out to be damaged held it."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM leases WHERE group_id = ?", (group_id,))
            self._db.execute("DELETE FROM exits WHERE group_id = ?", (group_id,))
            self._insert("exits", group_id, str(DropReason.LOST), detail, None, None, self._now())

    def dropped(self, group_id: str, reason: DropReason, detail: str = "") -> None:
        self._insert("exits", group_id, str(reason), detail, None, None, self._now())

    # What a resumed driver goes on from

    def next_ordinal(self) -> int:
        # Ordinals have no gaps; counting the rows would take longer with each of them.
        return int(self._db.execute("SELECT COALESCE(MAX(ordinal) + 1, 0) FROM groups").fetchone()[0])

    def steps(self, stage: str | None = None) -> int:
        """Optimiser steps done, of one stage or of all."""
        return self._count("steps WHERE done IS NOT NULL AND (?1 IS NULL OR stage = ?1)", stage)

    def admitted(self, stage: str) -> int:
        return self._count("groups WHERE stage = ?", stage)

    def pending(self, stage: str) -> list[Pending]:
        query = (
            f"SELECT ordinal, input, (SELECT COUNT(*) FROM attempts a WHERE a.group_id = g.group_id) FROM groups g "
            f"WHERE stage = ? AND group_id IN ({NO_EXIT}) AND group_id NOT IN (SELECT group_id FROM scorings) "
            "ORDER BY ordinal"
        )
        return [Pending(*row) for row in self._db.execute(query, (stage,))]

    def held(self, stage: str) -> list[Finished]:
        """Scored, and neither leased nor gone; in the order of admission."""
        return self._finished(
            f"stage = ? AND group_id IN ({NO_EXIT}) AND group_id NOT IN (SELECT group_id FROM leases)", stage
        )

    def unfinished_step(self, stage: str) -> TrainedBatch | None:
        """The batch that was leased to a step that is not done."""
        batches = self._batches("done IS NULL AND stage = ?", stage)
        return batches[0] if batches else None

    def trained_after(self, step: int) -> list[TrainedBatch]:
        """The batches of the steps done after this one, in order."""
        return self._batches("done IS NOT NULL AND step > ?", step)

    def needed(self, step: int) -> list[str]:
        """Ids of the groups without which a run cannot go on from the state after this step: those in flight, and those
        of later steps."""
        query = f"{NO_EXIT} UNION SELECT group_id FROM leases WHERE step > ?"
        return [row[0] for row in self._db.execute(query, (step,))]

    def in_flight(self) -> list[str]:
        """Ids of groups without an exit."""
        return [row[0] for row in self._db.execute(NO_EXIT)]

    def digest(self, version: int) -> str | None:
        """Digest with which this version was last published; None if it was not."""
        query = "SELECT digest FROM versions WHERE version = ? ORDER BY rowid DESC"
        row = self._db.execute(query, (version,)).fetchone()
        return None if row is None else str(row[0])

    def clocks(self) -> dict[str, float]:
        """Seconds by phase, as an earlier driver recorded them last."""
        query = "SELECT seconds FROM drivers WHERE seconds IS NOT NULL ORDER BY driver DESC"
        row = self._db.execute(query).fetchone()
        return json.loads(row[0]) if row else {}

    def record_clocks(self, seconds: dict[str, float]) -> None:
        self._db.execute("UPDATE drivers SET seconds = ? WHERE driver = ?", (json.dumps(seconds), self._driver))

    def started(self) -> float:
        """Unix time of the first driver."""
        return float(self._db.execute("SELECT MIN(at) FROM drivers").fetchone()[0])

    # Totals

    def counts(self) -> Counts:
        drops = self._tally("SELECT reason, COUNT(*) FROM exits WHERE reason IS NOT NULL GROUP BY reason")
        failures = self._tally("SELECT failure, COUNT(*) FROM scores WHERE failure IS NOT NULL GROUP BY failure")
        return Counts(
            admitted=self._count("groups"),
            sampled=self._count("(SELECT DISTINCT group_id FROM samples)"),
            scored=self._count("scorings"),
            trained=self._count("exits WHERE reason IS NULL"),
            dropped={reason: int(drops.get(reason, 0)) for reason in DropReason},
            candidates_scored=self._count("scores WHERE failure IS NULL"),
            candidates_failed={reason: int(failures.get(reason, 0)) for reason in FailureReason},
        )

    def failed_attempts(self) -> int:
        """Number of failed sampling attempts."""
        return self._count("attempts WHERE error IS NOT NULL")

    def versions(self) -> int:
        """Number of published versions."""
        return self._count("(SELECT DISTINCT version FROM versions)")

    def provenance(self) -> dict[str, Any]:
        """Provenance of the last scoring by a judge."""
        query = "SELECT provenance FROM scorings WHERE provenance != '{}' ORDER BY rowid DESC"
        row = self._db.execute(query).fetchone()
        return json.loads(row[0]) if row else {}

    def staleness(self) -> list[int]:
        """Staleness of every group that was trained, in training order."""
        query = (
            "SELECT staleness FROM leases JOIN steps USING (step) WHERE done IS NOT NULL ORDER BY step, leases.rowid"
        )
        return [row[0] for row in self._db.execute(query)]

    def alike(self) -> int:
        """Trained groups of whose candidates the judge thought the same: nothing was to be learnt from them."""
        return self._count(
            "(SELECT group_id FROM leases JOIN steps USING (step) JOIN scores USING (group_id) WHERE done IS NOT NULL "
            "GROUP BY group_id HAVING MAX(reward) - MIN(reward) < ?)",
            NO_SPREAD,
        )

    def violations(self, final: bool = False) -> list[str]:
        """One line per broken rule and case; `final` adds that nothing may be in flight any more."""
        return violations(self._db, final)

    def _batches(self, which: str, value: object) -> list[TrainedBatch]:
        steps = self._db.execute(f"SELECT step FROM steps WHERE {which} ORDER BY step", (value,))
        lease = "group_id IN (SELECT group_id FROM leases WHERE step = ?)"
        return [TrainedBatch(step, self._finished(lease, step)) for (step,) in steps.fetchall()]

    def _finished(self, which: str, *values: object) -> list[Finished]:
        query = (
            "SELECT group_id, ordinal, s.version FROM scorings JOIN groups USING (group_id) "
            f"JOIN samples s USING (group_id, attempt) WHERE {which} ORDER BY ordinal"
        )
        rows: list[tuple[str, int, int]] = self._db.execute(query, values).fetchall()
        return [Finished(group, ordinal, version, self._outcomes(group)) for group, ordinal, version in rows]

    def _outcomes(self, group_id: str) -> tuple[CandidateOutcome, ...]:
        query = "SELECT failure, readings, reward FROM scores WHERE group_id = ? ORDER BY candidate"
        return tuple(_outcome(*row) for row in self._db.execute(query, (group_id,)))

    def _insert(self, table: str, *values: object) -> None:
        self._db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)

    def _tally(self, query: str) -> dict[str, int]:
        return dict(self._db.execute(query).fetchall())

    def _count(self, source: str, *values: object) -> int:
        return int(self._db.execute(f"SELECT COUNT(*) FROM {source}", values).fetchone()[0])


def _columns(outcome: CandidateOutcome) -> tuple[object, ...]:
    if isinstance(outcome, Failed):
        return (str(outcome.reason), None, None)
    return (None, json.dumps(outcome.readings), outcome.reward)


def _outcome(failure: str | None, readings: str, reward: float) -> CandidateOutcome:
    if failure is not None:
        return Failed(reason=FailureReason(failure))
    return Scored(readings=json.loads(readings), reward=reward)
