"""Parts of the attack that need no cluster: damage to files, a shifted clock, and the table."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.chaos.files import compiled_clock, flip, flip_in_a_row, put_clock, truncate
from benchmarks.chaos.table import rows, table
from benchmarks.chaos.watching import Outcome
from oars.compass.outcome import Scored
from services.run.ledger import Ledger
from services.run.run_directory import BadRun


def test_truncation_and_a_flipped_bit_are_the_damage_that_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(bytes(9))
    flip(path)
    assert path.read_bytes() == b"\0\0\0\0\1\0\0\0\0"
    truncate(path)
    assert path.read_bytes() == bytes(4)


def test_the_flipped_bit_in_a_ledger_is_in_a_row(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.drive(path)
    ledger.published(0, "digest")
    ledger.admit("group-0", 0, "fr_rl", 0, "photo", seed=1, version=0)
    ledger.attempt("group-0", 0)
    ledger.sampled("group-0", 0, "rollout-0", 0, "digest", 8, 0.5, {})
    readings = {"fidelity": 0.5, "q_lr": 2.0, "q_sr": 3.0, "confidence": 1.0}
    ledger.scored("group-0", 0, [Scored(readings=readings, reward=2.5)], {"replica": "r"})
    ledger.close()
    flip_in_a_row(path)
    with pytest.raises(BadRun, match="row 1 of scores"):
        Ledger.drive(path)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_clock_is_put_back_while_its_process_runs(tmp_path: Path) -> None:
    environment = os.environ | compiled_clock(tmp_path)
    code = "import time\nwhile input(): print(time.time(), flush=True)"
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=pipe, stdout=pipe, text=True)
    assert process.stdin and process.stdout
    told = []
    for seconds in (0, -3600, 0):
        put_clock(tmp_path, seconds)
        process.stdin.write("now\n")
        process.stdin.flush()
        told.append(float(process.stdout.readline()) - time.time())
    process.communicate("\n")
    assert [round(shift / 60) for shift in told] == [0, -60, 0]


def test_the_table_says_what_was_missed_and_what_was_lost() -> None:
    well = Outcome("driver", 0.1, 20.0)
    ill = Outcome("full disk", 3.0, None, said="failed: no room", violations=("group g: admitted but never left",))
    found = rows([well, well, ill])
    seconds = [(row["times"], row["noticed_s_max"], row["working_s_max"]) for row in found]
    assert seconds == [(2, 0.1, 20.0), (1, 3.0, None)]
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table(found))
    driver, disk = [line for line in shown.get().splitlines() if "driver" in line or "full disk" in line]
    assert "nothing" in driver
    assert "never" in disk and "failed: no room" in disk and "admitted but never left" in disk


def test_a_fault_that_is_not_there_is_named() -> None:
    command = [sys.executable, "-m", "benchmarks.chaos", "--faults", "driver,earthquake"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no earthquake; there are rollout, " in done.stderr
