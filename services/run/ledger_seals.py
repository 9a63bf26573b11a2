"""A digest beside each row of the ledger, because a disk may return a wrong bit that SQLite's own checks do not see.

Triggers of the driver's connection write the digest in the transaction that writes the row. A row that differs from its
digest, a digest without its row, or a table that is not the schema's, is damage, which `first_damage` names.
"""

import hashlib
import sqlite3
from contextlib import closing

from services.run.ledger_rules import SCHEMA

_SEALS = """
CREATE TABLE IF NOT EXISTS seals (
    name TEXT NOT NULL, row INTEGER NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (name, row)) STRICT, WITHOUT ROWID;
"""
_TABLES = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


def seal(ledger: sqlite3.Connection) -> None:
    """Have every row sealed as it is written from now on; the rows of an older OARS, which have no digest, at once."""
    ledger.create_function("row_digest", -1, lambda *values: _digest(values), deterministic=True)
    sealed = _is_sealed(ledger)
    ledger.execute(_SEALS)
    for name in _names(ledger):
        old, new = (_columns(ledger, name, row) for row in ("", "NEW."))
        ledger.executescript(
            f"CREATE TEMP TRIGGER {name}_inserted AFTER INSERT ON {name} BEGIN "
            f"INSERT INTO seals VALUES ('{name}', NEW.rowid, row_digest({new})); END;"
            f"CREATE TEMP TRIGGER {name}_updated AFTER UPDATE ON {name} BEGIN "
            f"UPDATE seals SET digest = row_digest({new}) WHERE name = '{name}' AND row = NEW.rowid; END;"
            f"CREATE TEMP TRIGGER {name}_deleted AFTER DELETE ON {name} BEGIN "
            f"DELETE FROM seals WHERE name = '{name}' AND row = OLD.rowid; END;"
        )
        if not sealed:
            ledger.execute(f"INSERT INTO seals SELECT '{name}', rowid, row_digest({old}) FROM {name}")


def first_damage(ledger: sqlite3.Connection) -> str | None:
    """The first row that is not what was written, by table, number and key; None if there is none, or no digest."""
    if (foreign := _first_foreign(ledger)) is not None:
        return f"table {foreign} is not that of this OARS"
    if not _is_sealed(ledger):
        return None
    decoding, ledger.text_factory = ledger.text_factory, bytes  # a wrong bit need not leave UTF-8
    try:
        found = (_first_damaged(ledger, name) for name in _names(ledger))
        return next((line for line in found if line), None)
    finally:
        ledger.text_factory = decoding


def _first_foreign(ledger: sqlite3.Connection) -> str | None:
    """A table that is not as the schema has it; of what an older OARS wrote, only the digests may be missing."""
    with closing(sqlite3.connect(":memory:")) as own:
        own.executescript(SCHEMA + _SEALS)
        expected = dict(own.execute(_TABLES).fetchall())
    found = dict(ledger.execute(_TABLES).fetchall())
    differing = [name for name in expected | found if found.get(name, "") != expected.get(name)]
    return next((name for name in differing if name != "seals" or name in found), None)


def _first_damaged(ledger: sqlite3.Connection, name: str) -> str | None:
    rows = ledger.execute(
        f"SELECT seals.digest, t.rowid, t.* FROM {name} t LEFT JOIN seals ON name = '{name}' AND row = t.rowid"
    )
    for seal_of_row, row, *values in rows:
        if seal_of_row != _digest(values).encode():
            return f"row {row} of {name} ({_shown(values[0])}) is not what was written"
    gone = f"SELECT row FROM seals WHERE name = '{name}' AND row NOT IN (SELECT rowid FROM {name})"
    first = ledger.execute(gone).fetchone()
    return f"row {first[0]} of {name} is gone" if first else None


def _digest(values: "tuple[object, ...] | list[object]") -> str:
    """64 bits: enough against chance; nobody forges a ledger of their own."""
    exact = [value.encode() if isinstance(value, str) else value for value in values]
    return hashlib.blake2b(repr(exact).encode(), digest_size=8).hexdigest()


def _is_sealed(ledger: sqlite3.Connection) -> bool:
    return bool(ledger.execute("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'seals'").fetchone()[0])


def _names(ledger: sqlite3.Connection) -> list[str]:
    return [_shown(name) for name, _ in ledger.execute(_TABLES).fetchall() if _shown(name) != "seals"]


def _columns(ledger: sqlite3.Connection, name: str, row: str) -> str:
    return ", ".join(row + column[1] for column in ledger.execute(f"PRAGMA table_info({name})").fetchall())


def _shown(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
