"""`python tests/full_disk.py FOLDER`: each kind of file that a run writes, on a file system that is full, then is not.

FOLDER is a tmpfs of a few MiB with nothing in it. Prints `kind: what is said`, one line each; fails if half a
file is left, or if the same write does not succeed once there is room.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from learner import checkpoint
from oars.alignment.messages import Conditioning, PolicySnapshot, TrainingSample
from oars.compass.data.run_pictures import PICTURES, keep_pictures
from oars.compass.data.tables import INPUTS, is_finished, write_shard
from oars.config import RunConfig
from oars.evaluation.watch import Look
from oars.files import begin_directory, publish_directory, write_text
from oars.imaging.crops import Pair
from services.control.sample_store import read_sample, write_sample
from services.run.beginning import begin_run
from services.run.errors import one_line
from services.run.ledger import Ledger
from services.run.looks import Entry, Looks
from services.run.storage import storage_fault
from services.run.telemetry import Telemetry


def a_checkpoint(folder: Path) -> None:
    path = folder / "step_4"
    aside = begin_directory(path)
    torch.save(torch.ones(16_000), aside / "state.pt")
    checkpoint.write_manifest(aside, {"phase": "rl"}, checkpoint.digests(aside))
    publish_directory(path)
    checkpoint.verify(path)


def a_sample(folder: Path) -> None:
    conditioning = Conditioning(torch.ones(5, 8), torch.ones(4, 3), (2, 2))
    sample = TrainingSample("g1", 1, 7, conditioning, torch.ones(2, 4000, 3), torch.rand(2, 3), None, None)
    write_sample(folder / "g1.safetensors", sample)
    read_sample(folder / "g1.safetensors")


def a_ledger(folder: Path) -> None:
    ledger = Ledger.drive(folder / "ledger.sqlite")
    for ordinal in range(ledger.next_ordinal(), 100):
        ledger.admit(f"group-{ordinal}", ordinal, "fr_rl", ordinal, "photo", seed=1, version=0)
    ledger.close()


def a_config(folder: Path) -> None:
    begin_run(RunConfig(runs=folder), "r1")


def a_summary(folder: Path) -> None:
    write_text(folder / "summary.json", "x" * 30_000)


def a_look(folder: Path) -> None:
    looks = Looks(folder)
    for step in range(20):
        looks.add(Entry(look=Look(step=step, crops={"psnr": [30.0 + n for n in range(200)]}), levels={}, alarms=[]))
    assert len(looks.entries()) >= 20


def a_good_policy(folder: Path) -> None:
    Looks(folder).keep(PolicySnapshot(4, "digest", {"lora": torch.ones(16_000)}))
    assert Looks(folder).good_version == 4


def pictures(folder: Path) -> None:
    gt = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    keep_pictures(folder / PICTURES / "g1.npz", Pair("photo@0", gt[::4, ::4], gt), gt[None], 1)


def a_shard(folder: Path) -> None:
    """Of the data set that the judge's refresh learns from."""
    rows = [{"input_id": "g1", "photo": "photo", "split": "train", "kind": "synthetic", "lr": os.urandom(30_000)}]
    write_shard(folder / "refresh" / "00000.parquet", INPUTS, rows, "recipe")
    assert is_finished(folder / "refresh" / "00000.parquet", "recipe")


def numbers(folder: Path) -> None:
    """metrics.jsonl and TensorBoard, whose writer is a thread of its own."""
    telemetry = Telemetry(folder, "r1", None)
    for step in range(200):
        telemetry.step("fr_rl", step, {"loss": 1.0, "reward": 2.0})
        telemetry.image("fr_rl/candidates", step, np.zeros((8, 8, 3), np.uint8))
    telemetry.close()


KINDS: dict[str, Callable[[Path], None]] = {
    "checkpoint": a_checkpoint,
    "sample": a_sample,
    "ledger": a_ledger,
    "config": a_config,
    "summary": a_summary,
    "look": a_look,
    "good policy": a_good_policy,
    "pictures": pictures,
    "shard": a_shard,
    "numbers": numbers,
}


def fill(path: Path, left: int) -> None:
    """Take all room but so many bytes."""
    room = os.statvfs(path.parent)
    path.write_bytes(b"x" * (room.f_bavail * room.f_frsize - left))


def attempted(folder: Path, write: Callable[[Path], None]) -> str:
    try:
        write(folder)
    except Exception as error:  # whatever a library makes of it
        return one_line(error) or storage_fault(error, folder) or repr(error)
    return "written"


def main(folder: Path) -> None:
    for kind, write in KINDS.items():
        filler = folder / "filler"
        fill(filler, 8192 if kind != "config" else 0)
        print(f"{kind}: {attempted(folder, write)}".replace(str(folder), "FOLDER"))
        filler.unlink()
        assert attempted(folder, write) == "written", kind
        left = [path.name for path in folder.rglob("*") if "partial" in path.name]
        assert left == [], left


if __name__ == "__main__":
    main(Path(sys.argv[1]))
