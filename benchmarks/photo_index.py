"""`python -m benchmarks.photo_index [--counts N ...]`: what a large source of photos costs the driver, as a folder, tar
and Parquet shards.

Small JPEG files that differ, one of them cut short. Each measurement runs in a process of its own: the first makes the
index, the second finds it. Between them, in the folder, the photo of the first training pair is cut short in its place,
which no index can know. Figures: seconds, CPU seconds, which a busy machine does not stretch, and the peak of anonymous
memory (RssAnon) above the start; the index itself is a mapped file.
"""

import argparse
import io
import json
import logging
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.result import Result, write_result
from oars.config import DataConfig
from oars.imaging.crops import training_pair
from oars.imaging.survey import survey

COUNTS = (20_000, 200_000)
SIDE = 64
PAIRS = 16
_SHARD = 10_000
_GROUP = 200
_PADDINGS = 4093
"""A prime: lengths of files repeat as rarely as those of photos."""


def pictures(count: int) -> Iterator[tuple[str, bytes]]:
    """Name and JPEG; each differs, as photos do, and has a comment, so that lengths do, too. Number 7 is cut short."""
    for number in range(count):
        blocks = np.random.default_rng(number).integers(0, 256, (5, 5, 3), np.uint8)
        stream = io.BytesIO()
        Image.fromarray(blocks).resize((80, 80), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=60)
        jpeg = stream.getvalue()
        comment = b"%08d" % number + bytes(number * 31 % _PADDINGS)
        data = jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
        yield f"{number:08d}.jpg", data[: len(data) - 200] if number == 7 else data


def write_folder(folder: Path, count: int) -> None:
    for number, (name, data) in enumerate(pictures(count)):
        part = folder / f"{number // _SHARD:03d}"
        part.mkdir(exist_ok=True)
        (part / name).write_bytes(data)


def write_tars(folder: Path, count: int) -> None:
    remaining = pictures(count)
    for shard in range(-(-count // _SHARD)):
        with tarfile.open(folder / f"{shard:03d}.tar", "w") as tar:
            for (name, data), _ in zip(remaining, range(_SHARD), strict=False):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def write_tables(folder: Path, count: int) -> None:
    remaining = pictures(count)
    for shard in range(-(-count // _SHARD)):
        rows = [data for (_, data), _ in zip(remaining, range(_SHARD), strict=False)]
        table = pa.table({"image": pa.array([{"bytes": data, "path": None} for data in rows])})
        pq.write_table(table, folder / f"{shard:03d}.parquet", row_group_size=_GROUP, compression="none")


WAYS: dict[str, Callable[[Path, int], None]] = {"folder": write_folder, "tar": write_tars, "parquet": write_tables}


class Peak(threading.Thread):
    """Greatest anonymous memory of this process while it runs, MiB above its start."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._start, self.mib, self.done = _anonymous_mib(), 0.0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.02):
            self.mib = max(self.mib, _anonymous_mib() - self._start)


def _anonymous_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measure(folder: Path) -> dict[str, float | str]:
    """Seconds to the survey's end and to the first pair, CPU seconds until then, the peak, and what was said of photos
    that cannot be read."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("oars.imaging.crops").addHandler(handler)
    data = DataConfig(photos=str(folder), crop=SIDE, evaluation_crop=SIDE)
    peak, began, used = Peak(), time.perf_counter(), time.process_time()
    peak.start()
    found = survey(data, seed=0)
    surveyed = time.perf_counter() - began
    first = training_pair(found.train, data, 0, 0)
    first_pair, used = time.perf_counter() - began, time.process_time() - used
    for index in range(1, PAIRS):
        training_pair(found.train, data, 0, index)
    peak.done.set()
    peak.join()
    return {
        "survey_s": surveyed,
        "first_pair_s": first_pair,
        "cpu_s": used,
        "peak_mib": peak.mib,
        "train": len(found.train),
        "left_out": len(found.left_out),
        "lines": len(lines),
        "first": first.image_id.split("@")[0],
    }


def both(way: str, count: int, work: Path) -> dict[str, dict[str, float | str]]:
    """The first process, and the next one, which finds the index and, in a folder, a photo that was cut since."""
    folder = work / f"{way}-{count}"
    folder.mkdir()
    WAYS[way](folder, count)
    time.sleep(3)  # an index of what has just changed is not trusted
    os.environ["OARS_HOME"] = str(work / "home")
    index = _process(folder)
    if way == "folder":
        path = folder / str(index["first"])
        path.write_bytes(path.read_bytes()[:-300])
    return {"index": index, "again": _process(folder)}


def _process(folder: Path) -> dict[str, float | str]:
    command = [sys.executable, "-m", "benchmarks.photo_index", "--measure", str(folder)]
    found: dict[str, float | str] = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="photos, the fewest first")
    given = parser.parse_args()
    if folder := given.measure:
        print(json.dumps(measure(folder)))
        return
    details = {}
    for way in WAYS:
        for count in given.counts:
            with tempfile.TemporaryDirectory() as work:
                details[f"{way}, {count}"] = found = both(way, count, Path(work))
            print(way, count, json.dumps(found), flush=True)
    small, large = (float(details[f"folder, {given.counts[at]}"]["index"]["peak_mib"]) for at in (0, -1))
    write_result(
        Result(
            name="photo_index",
            value=large,
            unit=f"MiB at the driver's peak, {given.counts[-1]:,} photos in a folder",
            baseline=small,
            ratio=large / small,
            repeats=1,
            details=details,
        )
    )


if __name__ == "__main__":
    main()
