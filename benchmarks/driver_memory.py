"""`python -m benchmarks.driver_memory`: what a group costs the driver, with training samples of the paper's size.

A Ray actor returns samples of 70 MB, as a rollout worker does; the driver keeps each on disk, four at a time. Two ways:
the sample store's tasks, and, as the baseline, fetching every sample into the driver to write it there. Each way runs
in a process of its own. Figures: the driver's peak resident memory above its start, and the bytes that it reads and
writes a group (/proc/self/io).
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import ray
import torch

from benchmarks.result import Result, write_result
from oars.alignment.messages import Conditioning, TrainingSample
from services.control.sample_store import RaySampleStore, write_sample

_GROUPS, _AT_ONCE = 12, 4
_MIB = 2**20
# K = 24 candidates of 512 x 512 pixels are 1,024 tokens of 64 channels; T = 5 training times.
_K, _T, _TOKENS, _CHANNELS = 24, 5, 1024, 64


@ray.remote(num_cpus=0)
class Worker:
    def sample(self, number: int) -> TrainingSample:
        conditioning = Conditioning(torch.zeros(256, 64), torch.zeros(_TOKENS, _CHANNELS), (32, 32))
        velocity = torch.randn(_K, _T, _TOKENS, _CHANNELS)
        return TrainingSample(
            f"g{number}", number, 0, conditioning, velocity[:, 0], torch.rand(_K, _T), velocity, velocity + 1
        )


class Peak(threading.Thread):
    """Greatest resident memory of this process while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.process, self.bytes, self.done = psutil.Process(), 0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.01):
            self.bytes = max(self.bytes, self.process.memory_info().rss)


async def _through_the_driver(directory: Path, number: int, sample: Any) -> None:
    value = await sample
    await asyncio.to_thread(write_sample, directory / f"g{number}.safetensors", value)


async def _keep(way: str, directory: Path) -> None:
    store, worker, room = RaySampleStore(directory), Worker.remote(), asyncio.Semaphore(_AT_ONCE)  # type: ignore[attr-defined]

    async def group(number: int) -> None:
        async with room:
            sample = worker.sample.remote(number)
            if way == "driver":
                await _through_the_driver(directory, number, sample)
            else:
                assert await store.keep(f"g{number}", sample) is None

    await asyncio.gather(*(group(number) for number in range(_GROUPS)))


def measure(way: str) -> dict[str, float]:
    """One way, in this process."""
    with tempfile.TemporaryDirectory() as directory:
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**30)
        asyncio.run(_keep(way, Path(directory)))  # the workers that the second round reuses
        peak, before, start = Peak(), psutil.Process().io_counters(), psutil.Process().memory_info().rss
        began = time.perf_counter()
        peak.start()
        asyncio.run(_keep(way, Path(directory)))
        peak.done.set()
        after = psutil.Process().io_counters()
        ray.shutdown()
    moved = after.read_chars + after.write_chars - before.read_chars - before.write_chars
    return {
        "peak_mib": (peak.bytes - start) / _MIB,
        "moved_mib_per_group": moved / _GROUPS / _MIB,
        "seconds_per_group": (time.perf_counter() - began) / _GROUPS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=("driver", "tasks"), help=argparse.SUPPRESS)
    if way := parser.parse_args().way:
        print(json.dumps(measure(way)))
        return
    found = {}
    for way in ("driver", "tasks"):
        command = [sys.executable, "-m", "benchmarks.driver_memory", "--way", way]
        found[way] = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
        print(way, {name: round(value, 3) for name, value in found[way].items()})
    new, old = (found[way]["moved_mib_per_group"] for way in ("tasks", "driver"))
    write_result(
        Result(
            name="driver_memory",
            value=new,
            unit="MiB through the driver a group of 70 MB",
            baseline=old,
            ratio=new / old,
            repeats=_GROUPS,
            details=found,
        )
    )


if __name__ == "__main__":
    main()
