"""`python -m benchmarks.soak_reward --minutes 30`: COMPASS at a share of its capacity, and whether anything creeps.

The capacity is measured first (closed loop, saturated); then an open loop asks at 80 % of it. Every ten seconds: the
memory (proportional set size, what a process would free by ending) of every process of the service, and the latencies.
Flat: a line through the memory of the second half gains less than `GROWTH` of its mean over that half. Stable: p99 of
the last quarter is at most `P99` times that of the second quarter (the first warms the caches).
"""

import argparse
import asyncio
import os
from dataclasses import asdict

import numpy as np
import psutil

from benchmarks.result import Result, write_result
from benchmarks.reward_setting import Service, groups_of, service
from services.bench.account import Latency
from services.bench.load import Sample
from services.bench.measure import Measured, measure

SHARE, GROWTH, P99 = 0.8, 0.02, 1.5
_EVERY_S = 10.0
_CAPACITY_S = 20.0
_CONCURRENCY = 8
_FIRST = 2000  # beyond the groups that the capacity was measured with


Readings = list[tuple[float, float]]
"""(seconds, GiB)"""


async def memory_over_time(seconds: float) -> Readings:
    """Memory of all processes that this one started: Ray, Serve, the gateways, the replica and its engine."""
    loop = asyncio.get_running_loop()
    begun, readings = loop.time(), Readings()
    while loop.time() - begun < seconds:
        readings.append((loop.time() - begun, await asyncio.to_thread(_memory_gib)))
        await asyncio.sleep(_EVERY_S)
    return readings


def _memory_gib() -> float:
    total = 0
    for process in psutil.Process(os.getpid()).children(recursive=True):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # ended meanwhile
    return total / 2**30


def growth(readings: Readings) -> float:
    """Growth over the second half: the rise of a fitted line, as a share of its mean."""
    half = np.array(readings[len(readings) // 2 :])
    slope = np.polyfit(half[:, 0], half[:, 1], 1)[0]
    return float(slope * np.ptp(half[:, 0]) / half[:, 1].mean())


def quarters(samples: list[Sample], seconds: float) -> list[Latency]:
    answered = [sample for sample in samples if sample.end == "answered"]
    return [
        Latency.of([s.seconds for s in answered if quarter <= 4 * s.started_s / seconds < quarter + 1])
        for quarter in range(4)
    ]


async def soak(compass: Service, endpoint: str | None, seconds: float) -> tuple[float, Measured, Readings]:
    groups = groups_of(compass.config)
    full = await measure(compass.plan(groups, endpoint, _CAPACITY_S, concurrency=_CONCURRENCY))
    capacity = full.account.requests["answered"] / full.account.seconds
    load = compass.plan(groups, endpoint, seconds, rate=SHARE * capacity, first=_FIRST)
    measured, readings = await asyncio.gather(measure(load), memory_over_time(seconds))
    return capacity, measured, readings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--gateway", choices=("handle", "grpc", "http"), default="grpc")
    given = parser.parse_args()
    seconds = given.minutes * 60
    with service() as compass:
        endpoint = {"handle": None, "grpc": compass.grpc, "http": compass.http}[given.gateway]
        capacity, measured, readings = asyncio.run(soak(compass, endpoint, seconds))
    account, latency, crept = measured.account, quarters(measured.samples, seconds), growth(readings)
    drift = (latency[3].p99 or float("inf")) / (latency[1].p99 or float("inf"))
    errors = len(measured.samples) - account.requests["answered"] + sum(account.failed.values())
    result = Result(
        name="soak_reward",
        value=crept,
        unit="growth of memory over the second half, as a share",
        repeats=1,
        details={
            "minutes": given.minutes,
            "gateway": given.gateway,
            "capacity_requests_per_s": capacity,
            "rate_requests_per_s": SHARE * capacity,
            "errors": errors,
            "refused_at_s": [round(s.started_s) for s in measured.samples if s.end != "answered"],
            "p99_drift": drift,
            "quarters": [asdict(quarter) for quarter in latency],
            "load": asdict(account),
            "engine": asdict(measured.engine) if measured.engine else None,
            "memory_gib": [[round(at), round(gib, 3)] for at, gib in readings],
        },
    )
    print(f"memory {crept:+.2%}, p99 x{drift:.2f}, {errors} errors of {len(measured.samples)}: {write_result(result)}")
    if crept > GROWTH or drift > P99 or errors:
        raise SystemExit("not flat, not stable, or not without errors")


if __name__ == "__main__":
    main()
