"""Each kind of file that a run writes, on a real file system that is full: one line, no half file, well afterwards."""

from pathlib import Path

from tmpfs import on_tmpfs

SCRIPT = Path(__file__).parents[3] / "full_disk.py"


def test_a_full_disk_is_one_line_at_each_write_and_the_same_write_succeeds_with_room(tmp_path: Path) -> None:
    done = on_tmpfs(tmp_path, "4m", str(SCRIPT), str(tmp_path))
    assert done.returncode == 0, done.stderr
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    full = "No space left on device"
    whole = {"checkpoint", "sample", "summary", "look", "good policy", "pictures", "shard", "numbers"}
    assert {kind: said[kind] for kind in whole} == dict.fromkeys(whole, f"FOLDER: {full}")
    assert said["config"] == f"FOLDER/r1: cannot be created: {full}"
    assert said["ledger"].startswith("FOLDER") and "KiB free there" in said["ledger"]
