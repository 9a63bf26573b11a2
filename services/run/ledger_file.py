"""Opens the ledger's SQLite file: for the run's one driver, and for readers on any node.

SQLite's WAL keeps an index in memory that all processes share, so they must be on one host. A driver therefore uses it
only where the file system is a local one, and a rollback journal elsewhere, whose locks work between nodes. Readers see
whole facts or get one line: in place where locks allow it, else (a directory that may not be written, another host's
WAL, no locks) in a copy of the file and its journal, taken while neither changed.
"""

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from services.run.ledger_seals import first_damage, seal
from services.run.run_directory import BadRun

# As /proc/self/mountinfo names them. What is not known to be local (nfs, lustre, cifs, fuse, 9p ...) counts as shared.
_LOCAL = {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}
_MOUNTS = Path("/proc/self/mountinfo")
# Under a rollback journal a reader's query makes the driver wait, and the driver's commit a reader.
_BUSY_S = 60.0
_READER_BUSY_S = 5.0
_COPIES = 20
# Fails on the ledger of an older OARS.
_NEWEST = "SELECT readings FROM scores LIMIT 1"
_SUFFIXES = ("", "-wal", "-journal")
# Byte 18 of an SQLite file: the journal that its last writer used.
_JOURNAL_BYTE, _WAL = 18, 2


def file_system(path: Path, mounts: str) -> str:
    """Type of the file system that holds an absolute path, out of the text of /proc/self/mountinfo; empty if none."""
    best, kind = "", ""
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), mount.split(" ")[4])
        # Of two mounts at one place the later one is on top.
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, source.split(" ")[0]
    return kind


def journal_mode(kind: str) -> str:
    """SQLite's journal for a file system of this type."""
    return "WAL" if kind in _LOCAL else "DELETE"


def open_to_write(path: Path, schema: str) -> sqlite3.Connection:
    """For the driver; every transaction is on disk when it returns. Raises BadRun, also where the file is damaged."""
    with ExitStack() as opened:
        try:
            ledger = opened.enter_context(closing(sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S)))
            _prepare(path, ledger, schema)
        except sqlite3.DatabaseError as error:
            raise BadRun(f"{path}: no ledger that can be written: {_line(error)}{_room(path, error)}") from error
        opened.pop_all()
    return ledger


def _prepare(path: Path, ledger: sqlite3.Connection, schema: str) -> None:
    if (mode := journal_mode(file_system_of(path))) != "WAL":
        # A ledger that was in WAL elsewhere changes over without shared memory.
        ledger.execute("PRAGMA locking_mode=EXCLUSIVE")
    ledger.execute(f"PRAGMA journal_mode={mode}")
    ledger.executescript("PRAGMA locking_mode=NORMAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;" + schema)
    ledger.execute(_NEWEST)
    _check_whole(path, ledger)
    seal(ledger)


def _room(path: Path, error: sqlite3.Error) -> str:
    """SQLite says the same of a disk that fails and of one that is full: the free space tells them apart."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL):
        return ""
    return f" ({shutil.disk_usage(path.parent).free // 1024} KiB free there)"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Whole facts; nothing beside the ledger is written. Raises BadRun."""
    with ExitStack() as held:
        ledger = _in_place(path) or held.enter_context(_copied(path))
        held.callback(ledger.close)
        try:
            ledger.execute(_NEWEST)
            _check_whole(path, ledger)
            yield ledger
        except sqlite3.DatabaseError as error:
            raise BadRun(f"{path}: no ledger that can be read: {_line(error)}") from error


def _check_whole(path: Path, ledger: sqlite3.Connection) -> None:
    """Raises BadRun, naming the first row that is damaged."""
    damage = ledger.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if line := first_damage(ledger) if damage == "ok" else damage:
        raise BadRun(f"{path}: damaged: {_line(line)}")


def _line(text: object) -> str:
    """SQLite quotes a schema with its line breaks."""
    return " ".join(str(text).split())


def _in_place(path: Path) -> sqlite3.Connection | None:
    """None where SQLite cannot read it there, or would not see what another host has written."""
    if _in_wal(path) and journal_mode(file_system_of(path)) != "WAL":
        return None
    ledger = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_READER_BUSY_S)
    try:
        ledger.execute("SELECT COUNT(*) FROM sqlite_schema")
    except sqlite3.OperationalError:
        ledger.close()
        return None
    except sqlite3.DatabaseError as error:
        ledger.close()
        raise BadRun(f"{path}: no ledger that can be read: {_line(error)}") from error
    return ledger


def _in_wal(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_JOURNAL_BYTE + 1)[_JOURNAL_BYTE:] == bytes([_WAL])
    except OSError as error:
        raise BadRun(f"{path}: no ledger that can be read: {error.strerror}") from error


@contextmanager
def _copied(path: Path) -> Iterator[sqlite3.Connection]:
    """SQLite goes through the copy's journal as it would after a crash, so half a transaction is not seen."""
    with tempfile.TemporaryDirectory(prefix="oars-ledger-") as folder:
        for attempt in range(_COPIES):
            copy, before = Path(folder) / f"{attempt}.sqlite", _state(path)
            try:
                for suffix in before:
                    shutil.copyfile(_beside(path, suffix), _beside(copy, suffix))
            except OSError as error:
                raise BadRun(f"{path}: no ledger that can be read: {error.strerror}") from error
            if _state(path) == before:
                yield sqlite3.connect(copy)
                return
        raise BadRun(f"{path}: its driver writes too often for a copy; read it on the driver's node")


def _state(path: Path) -> dict[str, tuple[int, ...]]:
    """State of the ledger and its journals that changes with each write."""
    found: dict[str, tuple[int, ...]] = {}
    for suffix in _SUFFIXES:
        file = _beside(path, suffix)
        if file.exists():
            facts = file.stat()
            found[suffix] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    return found


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def file_system_of(path: Path) -> str:
    """Type of the file system that holds a path; empty if it is not known."""
    if not _MOUNTS.exists():
        return ""
    return file_system(Path(os.path.realpath(path)), _MOUNTS.read_text(errors="replace"))
