"""Faults of what lies on a disk, and of the clock: the driver is killed, a file is damaged, and another one resumes."""

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from sqlite3 import connect

from benchmarks.chaos.subject import Subject
from benchmarks.chaos.watching import PATIENCE_S, Fault, Outcome, ended, watch, watch_resumed
from services.run.checkpoints import Checkpoints
from services.run.ledger import Ledger

Damage = Callable[[Path], None]
_HOUR_S = 3600
_CLOCK, _SHIFT = Path(__file__).with_name("clock.c"), "clock"
# Text before a number in a row of the ledger, whose first digit is what a disk then returns wrong.
_BEFORE_A_NUMBER = b'"q_lr": '


def truncate(path: Path) -> None:
    """Cut to half."""
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path, place: int | None = None) -> None:
    """Turn one bit over, of the byte at `place` or in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 1
    path.write_bytes(content)


def flip_in_a_row(path: Path) -> None:
    """Turn one bit over in a number that the ledger holds."""
    flip(path, path.read_bytes().rindex(_BEFORE_A_NUMBER) + len(_BEFORE_A_NUMBER))


def checkpoint(name: str, damage: Damage) -> Fault:
    """The newest checkpoint's largest file; the one before it, or the samples of all steps, lead to the same state."""

    def strike(subject: Subject) -> Outcome:
        subject.until("a checkpoint", lambda: _checkpoints(subject).newest("step"), PATIENCE_S)
        at = subject.kill()
        newest = _checkpoints(subject).newest("step")
        assert newest is not None
        damage(max(newest.rglob("*.*"), key=lambda path: path.stat().st_size))
        subject.resume()
        return watch(subject, name, at, lambda: subject.event("checkpoint_damaged", at), lambda: subject.step_after(at))

    return strike


def sample(name: str, damage: Damage) -> Fault:
    """A sample that a step since the newest checkpoint was trained on; the step is repeated without that group."""

    def strike(subject: Subject) -> Outcome:
        subject.until("a step after a checkpoint", lambda: _since_checkpoint(subject) or None, PATIENCE_S)
        at = subject.kill()
        damage(_since_checkpoint(subject)[0])
        subject.resume()
        return watch(subject, name, at, lambda: subject.event("sample_lost", at), lambda: subject.step_after(at))

    return strike


def ledger(name: str, damage: Damage) -> Fault:
    """The driver refuses it in one line; with the copy that was kept of it the run goes on."""

    def strike(subject: Subject) -> Outcome:
        at, path = subject.kill(), subject.directory / "ledger.sqlite"
        with closing(connect(path)) as whole:
            whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept = path.read_bytes()
        damage(path)
        subject.resume()
        gone, said = ended(subject)
        for beside in path.parent.glob(f"{path.name}-*"):
            beside.unlink()
        path.write_bytes(kept)
        return watch_resumed(subject, name, at, gone, said)

    return strike


def full_disk(subject: Subject) -> Outcome:
    """The run's file system takes nothing any more, whatever is written next; then there is room again."""
    at = time.time()
    subject.world.disk.fill()
    gone, said = ended(subject)
    subject.world.disk.free()
    return watch_resumed(subject, "full disk", at, gone, said)


def full_temporary(subject: Subject) -> Outcome:
    """Ray's own folder takes nothing any more: steps are done all the same. Noticed at once."""
    at = time.time()
    subject.world.temporary.fill()
    outcome = watch(subject, "Ray's folder full", at, lambda: at, lambda: subject.step_after(at), said="")
    subject.world.temporary.free()
    return outcome


def clock(subject: Subject) -> Outcome:
    """The driver's wall clock is put back by an hour, then forward again. Nothing depends on it: noticed at once."""
    folder = subject.directory.parent
    gone = subject.kill()
    subject.resume(environment=compiled_clock(folder))
    subject.until("a step", lambda: subject.step_after(gone), PATIENCE_S)
    at = time.time()
    for seconds in (-_HOUR_S, 0):
        put_clock(folder, seconds)
        wanted = subject.steps() + 2
        subject.until("two steps", partial(_reached, subject, wanted), PATIENCE_S)
    return watch(subject, "clock back and forward by an hour", at, lambda: at, lambda: subject.step_after(at), said="")


def compiled_clock(folder: Path) -> dict[str, str]:
    """The environment of a process whose wall clock `put_clock` shifts; it needs a C compiler, and uses the folder."""
    library, shift = folder / "clock.so", folder / _SHIFT
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, _CLOCK, "-ldl"], check=True)
    shift.write_bytes(bytes(8))
    return {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(shift)}


def put_clock(folder: Path, seconds: int) -> None:
    """So far from the true time. In place: the processes have the file in their memory."""
    with (folder / _SHIFT).open("r+b") as file:
        file.write(seconds.to_bytes(8, "little", signed=True))


def _reached(subject: Subject, steps: int) -> bool | None:
    return True if subject.steps() >= steps else None


def _checkpoints(subject: Subject) -> Checkpoints:
    return Checkpoints(subject.directory / "checkpoints", subject.config.control.keep_checkpoints)


def _since_checkpoint(subject: Subject) -> list[Path]:
    """Files of the samples that a resume would train on again."""
    steps = _checkpoints(subject).steps("step")
    with Ledger.reading(subject.directory / "ledger.sqlite") as known:
        batches = known.trained_after(steps[-1]) if steps else []
    return [subject.directory / "experience" / f"{g.group_id}.safetensors" for batch in batches for g in batch.groups]


FILES: dict[str, Fault] = {
    "truncated_checkpoint": checkpoint("checkpoint truncated", truncate),
    "flipped_checkpoint": checkpoint("checkpoint, one bit flipped", flip),
    "truncated_sample": sample("sample truncated", truncate),
    "flipped_sample": sample("sample, one bit flipped", flip),
    "truncated_ledger": ledger("ledger truncated", truncate),
    "flipped_ledger": ledger("ledger, one bit flipped", flip_in_a_row),
    "clock": clock,
}
DISK: dict[str, Fault] = {"full_disk": full_disk, "full_temporary": full_temporary}
