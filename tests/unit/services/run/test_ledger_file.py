"""The ledger is safe on any file system, and readable from anywhere: whole facts, or one line."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from oars.config import RunConfig
from services.run import ledger_file
from services.run.beginning import begin_run
from services.run.ledger import Ledger
from services.run.ledger_file import file_system, journal_mode, reading
from services.run.ledger_seals import seal
from services.run.run_directory import BadRun

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:25 / /tmp rw,nosuid shared:5 - tmpfs tmpfs rw
41 22 0:44 / /data rw - autofs auto rw
42 41 0:45 / /data rw - nfs4 server:/export rw,vers=4.2
43 22 0:46 / /my\\040disk rw master:1 - fuse.sshfs host: rw
44 42 254:1 / /data/scratch rw - xfs /dev/sdb rw
"""

# Refuses locks to files below $WITHOUT_LOCKS, as an NFS mount without its lock service does.
NO_LOCKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GETLK = 5, SETLK = 6, SETLKW = 7 };
typedef int (*function)(int, int, void *);

static int refused(int file) {
    char name[32], path[4096];
    const char *below = getenv("WITHOUT_LOCKS");
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path);
    if (length < (ssize_t)strlen(below) || strncmp(path, below, strlen(below))) return 0;
    errno = ENOLCK;
    return 1;
}
static int next(const char *name, int file, int command, void *argument) {
    if (command >= GETLK && command <= SETLKW && refused(file)) return -1;
    return ((function)dlsym(RTLD_NEXT, name))(file, command, argument);
}
int fcntl(int file, int command, ...) {
    va_list list; va_start(list, command); return next("fcntl", file, command, va_arg(list, void *));
}
int fcntl64(int file, int command, ...) {
    va_list list; va_start(list, command); return next("fcntl64", file, command, va_arg(list, void *));
}
int flock(int file, int operation) {
    return refused(file) ? -1 : ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, operation);
}
"""


def admit(ledger: Ledger, ordinal: int) -> None:
    ledger.admit(f"group-{ordinal}", ordinal, "fr_rl", ordinal, "photo", seed=1, version=0)


def admitted(path: Path) -> int:
    with reading(path) as db:
        return int(db.execute("SELECT COUNT(*) FROM groups").fetchone()[0])


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS: no memory is shared between the processes that have a file open."""
    monkeypatch.setattr(ledger_file, "file_system_of", lambda path: "nfs4")


@pytest.mark.parametrize(
    ("path", "kind", "mode"),
    [
        ("/home/me/runs", "ext4", "WAL"),
        ("/tmp/runs", "tmpfs", "WAL"),
        ("/data/runs", "nfs4", "DELETE"),
        ("/data/scratch/runs", "xfs", "WAL"),
        ("/datasets/runs", "ext4", "WAL"),
        ("/my disk/runs", "fuse.sshfs", "DELETE"),
    ],
)
def test_the_journal_follows_from_the_file_system(path: str, kind: str, mode: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind and journal_mode(kind) == mode


@pytest.mark.parametrize("kind", ["lustre", "nfs", "cifs", "fuse", "9p", "gpfs", "beegfs", "ceph", ""])
def test_what_is_not_known_to_be_local_is_shared(kind: str) -> None:
    assert journal_mode(kind) == "DELETE"


def test_a_shared_ledger_needs_one_file_and_readers_see_each_fact(tmp_path: Path, shared: None) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.drive(path)
    for ordinal in range(3):
        admit(ledger, ordinal)
        assert admitted(path) == ordinal + 1
        assert [file.name for file in tmp_path.iterdir()] == ["ledger.sqlite"]
    ledger.close()


def test_a_ledger_on_another_file_system_leaves_wal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    local = Ledger.drive(path)
    admit(local, 0)
    local.close()
    monkeypatch.setattr(ledger_file, "file_system_of", lambda path: "lustre")
    moved = Ledger.drive(path)
    admit(moved, 1)
    assert admitted(path) == 2 and [file.name for file in tmp_path.iterdir()] == ["ledger.sqlite"]
    moved.close()


def test_another_hosts_wal_is_read_in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.drive(path)  # on the driver's node the file system is a local one, exported to others
    admit(ledger, 0)
    monkeypatch.setattr(ledger_file, "file_system_of", lambda path: "nfs4")
    before = sorted(file.name for file in tmp_path.iterdir())
    assert admitted(path) == 1
    admit(ledger, 1)
    assert admitted(path) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == before
    ledger.close()


@pytest.mark.parametrize("vfs", ["unix", "unix-none", "unix-dotfile"])
def test_half_a_transaction_is_never_read(
    vfs: str, tmp_path: Path, shared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer holds locks that a reader sees, or none, or those of a file beside the ledger, which it does not."""
    path = tmp_path / "ledger.sqlite"
    Ledger.drive(path).close()
    monkeypatch.setattr(ledger_file, "_READER_BUSY_S", 0.0)
    writer = sqlite3.connect(f"file:{path}?vfs={vfs}", uri=True, isolation_level=None)
    seal(writer)
    writer.executescript("PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN EXCLUSIVE;")
    for ordinal in range(200):  # more than the cache: what is not committed is in the file already
        row = (f"group-{ordinal}", ordinal, "fr_rl", ordinal, "photo" * 50, 1, 0, 0.0)
        writer.execute("INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    assert (tmp_path / "ledger.sqlite-journal").exists()
    assert admitted(path) == 0
    writer.execute("COMMIT")
    assert admitted(path) == 200
    writer.close()


def test_a_ledger_that_changes_all_the_time_is_one_line(
    tmp_path: Path, shared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger.drive(path).close()
    monkeypatch.setattr(ledger_file, "_in_place", lambda path: None)
    states = iter(range(10**6))
    monkeypatch.setattr(ledger_file, "_state", lambda path: {"": (next(states),)})
    with pytest.raises(BadRun, match=r"ledger\.sqlite: its driver writes too often"):
        admitted(path)


@pytest.fixture
def without_locks(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that gets no lock in the folder `shared`."""
    source, library, folder = tmp_path / "no_locks.c", tmp_path / "no_locks.so", tmp_path / "shared"
    source.write_text(NO_LOCKS)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    folder.mkdir()
    return {**os.environ, "LD_PRELOAD": str(library), "WITHOUT_LOCKS": str(folder)}


@pytest.mark.parametrize("driver", ["runs", "has ended"])
def test_a_reader_that_gets_no_lock_sees_whole_facts(
    driver: str, tmp_path: Path, shared: None, without_locks: dict[str, str]
) -> None:
    path = tmp_path / "shared" / "ledger.sqlite"
    ledger = Ledger.drive(path)
    admit(ledger, 0)
    if driver == "has ended":
        ledger.close()
    read = (
        "import sys; from pathlib import Path; from services.run import ledger_file; ledger_file._READER_BUSY_S = 0\n"
        "with ledger_file.reading(Path(sys.argv[1])) as ledger: print(*ledger.execute('SELECT group_id FROM groups'))"
    )
    command = [sys.executable, "-c", read, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=without_locks, check=False)
    assert done.stdout == "('group-0',)\n", done.stderr
    assert [file.name for file in path.parent.iterdir()] == ["ledger.sqlite"]
    ledger.close()


def test_a_driver_that_gets_no_lock_says_so(tmp_path: Path, without_locks: dict[str, str]) -> None:
    run = begin_run(RunConfig(runs=tmp_path / "shared"), "r1")
    command = [sys.executable, "-m", "services.launch.driver", "--resume", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, env=without_locks, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(f"error: {run}: no locks on this file system (No locks available)")


@pytest.mark.parametrize("damage", ["truncated", "no database", "flipped"])
def test_a_damaged_ledger_is_one_line_for_drivers_and_readers(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.drive(path)
    for ordinal in range(300):
        admit(ledger, ordinal)
    ledger.close()
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "no database":
        content = bytearray(b"x" * len(content))
    else:
        for page in range(4096, len(content), 4096):
            content[page] ^= 0xFF  # the byte that says what kind of page it is
    path.write_bytes(content)
    with pytest.raises(BadRun, match=f"^{path}: "):
        Ledger.drive(path)
    with pytest.raises(BadRun, match=f"^{path}: "), Ledger.reading(path) as broken:
        broken.counts()


@pytest.mark.parametrize("driver", ["runs", "was killed", "has ended"])
def test_a_run_that_may_not_be_written_is_shown(driver: str, tmp_path: Path) -> None:
    directory = begin_run(RunConfig(runs=tmp_path), "theirs")
    ledger = Ledger.drive(directory / "ledger.sqlite")
    admit(ledger, 0)
    if driver == "was killed":  # the index in shared memory is gone, the WAL is not
        for name in ("ledger.sqlite", "ledger.sqlite-wal"):
            shutil.copy(directory / name, tmp_path)
        ledger.close()
        for name in ("ledger.sqlite", "ledger.sqlite-wal"):
            (tmp_path / name).replace(directory / name)
    elif driver == "has ended":
        ledger.close()
    before = sorted(file.name for file in directory.iterdir())
    directory.chmod(0o555)
    shown = powerless("runs", "show", "theirs", "--runs", str(tmp_path))
    assert shown.returncode == 0 and "admitted 1" in shown.stdout, shown.stderr
    assert sorted(file.name for file in directory.iterdir()) == before
    directory.chmod(0o755)
    ledger.close()


def test_a_report_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    directory = begin_run(RunConfig(runs=tmp_path), "theirs")
    directory.chmod(0o555)
    refused = powerless("report", "theirs", "--runs", str(tmp_path))
    assert refused.returncode == 2 and refused.stderr.startswith(f"error: {directory / 'report.html'}: ")
    assert len(refused.stderr.splitlines()) == 1 and "--out" in refused.stderr
    directory.chmod(0o755)


def powerless(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """`oars` as somebody to whom a directory's mode means what it says, which it does not to root."""
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*drop, sys.executable, "-m", "services.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
