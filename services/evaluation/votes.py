"""`votes.sqlite` of a study: raters by the digest of their tokens, and one row a rater and trial.

The journal is chosen as the ledger's is (services/run/ledger_file.py). One connection, behind a lock; each vote is one
transaction, on disk when it is answered, so a killed server has lost none.
"""

import hashlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from oars.evaluation.study import BadStudy
from oars.evaluation.study_records import Vote
from oars.names import printable
from services.run.ledger_file import file_system_of, journal_mode

VOTES = "votes.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS raters (rater TEXT PRIMARY KEY, token_digest TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS votes (
  rater TEXT NOT NULL REFERENCES raters, trial TEXT NOT NULL, choice TEXT NOT NULL CHECK (choice IN ('a', 'b', 'tie')),
  milliseconds INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (rater, trial)
);
"""
_BUSY_S = 30.0


class Votes:
    """The votes of a study, for the one process that serves it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def new_raters(self, count: int) -> list[str]:
        """Tokens of that many new raters; the file keeps their digests alone."""
        tokens = [secrets.token_urlsafe(12) for _ in range(count)]
        with self._lock, self._connection as transaction:
            [known] = transaction.execute("SELECT COUNT(*) FROM raters").fetchone()
            rows = [(f"rater {known + i}", _digest(token)) for i, token in enumerate(tokens, start=1)]
            transaction.executemany("INSERT INTO raters VALUES (?, ?)", rows)
        return tokens

    def rater(self, token: str) -> str | None:
        """None for a token that nobody has."""
        with self._lock:
            query = "SELECT rater FROM raters WHERE token_digest = ?"
            row = self._connection.execute(query, (_digest(token),)).fetchone()
        return row[0] if row else None

    def add(self, vote: Vote) -> None:
        """A later vote on the same trial replaces an earlier one."""
        row = (vote.rater, vote.trial, vote.choice, vote.milliseconds, time.time())
        with self._lock, self._connection as transaction:
            transaction.execute("INSERT OR REPLACE INTO votes VALUES (?, ?, ?, ?, ?)", row)

    def of(self, rater: str) -> list[Vote]:
        with self._lock:
            return [vote for vote in _votes(self._connection) if vote.rater == rater]


@contextmanager
def open_votes(folder: Path) -> Iterator[Votes]:
    """Raises BadStudy for a file that cannot be written."""
    path = folder / VOTES
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False)) as connection:
            connection.execute(f"PRAGMA journal_mode={journal_mode(file_system_of(path))}")
            connection.executescript("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;" + _SCHEMA)
            yield Votes(connection)
    except sqlite3.DatabaseError as error:
        raise BadStudy(f"{printable(path)}: no votes can be kept there: {error}") from error


def read_votes(folder: Path) -> Sequence[Vote]:
    """Empty where no study has been served. Raises BadStudy."""
    path = folder / VOTES
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection:
            return _votes(connection)
    except sqlite3.DatabaseError as error:
        raise BadStudy(f"{printable(path)}: no votes can be read there: {error}") from error


def _votes(connection: sqlite3.Connection) -> list[Vote]:
    rows = connection.execute("SELECT rater, trial, choice, milliseconds FROM votes ORDER BY at").fetchall()
    return [Vote(rater=rater, trial=trial, choice=choice, milliseconds=ms) for rater, trial, choice, ms in rows]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
