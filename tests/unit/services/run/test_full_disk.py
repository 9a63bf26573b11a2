"""Each kind of file that a run writes, on a real file system that is full: one line, no half file, well afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "full_disk.py"
ON_TMPFS = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


def test_a_full_disk_is_one_line_at_each_write_and_the_same_write_succeeds_with_room(tmp_path: Path) -> None:
    mounted = 'mount -t tmpfs -o size=4m none "$0" && exec "$1" "$2" "$0"'
    command = [*ON_TMPFS, mounted, str(tmp_path), sys.executable, str(SCRIPT)]
    if subprocess.run([*ON_TMPFS, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here, so no tmpfs can be mounted")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    full = "No space left on device"
    assert said["checkpoint"] == said["sample"] == said["summary"] == f"FOLDER: {full}"
    assert said["config"] == f"FOLDER/r1: cannot be created: {full}"
    assert said["ledger"].startswith("FOLDER") and "KiB free there" in said["ledger"]
