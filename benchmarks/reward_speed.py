"""`python -m benchmarks.reward_speed`: the served judge against the same engine offline, and against peers' practice.

Every round measures all of them one after another, so that whatever else the machine does falls on all alike; a ratio
is of one round, and the result is the median over rounds with the least and the greatest.
"""

import argparse
import asyncio
import statistics
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.result import Result, write_result
from benchmarks.reward_offline import OfflineJudge
from benchmarks.reward_peer import PeerServer
from benchmarks.reward_setting import Service, groups_of, service
from services.bench.measure import Measured, measure

# The replica's max_ongoing_requests: saturation.
CONCURRENCY = 12
OFFLINE_GROUPS, PEER_GROUPS, WARM_UP_GROUPS = 200, 6, 8
# Groups that one way may ask about in one round: no other way meets a cache warmed with them. The sequence has 9,216.
_SHARE = 500
GATEWAYS = ("handle", "grpc", "http")
BARS = {"handle": ("offline", 0.9), "grpc": ("offline", 0.8), "http": ("offline", None), "peer": ("handle", 3.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load: long against its ramps")
    given = parser.parse_args()
    with service("judge.score_cache=0") as compass:
        offline = OfflineJudge(compass.config.judge)
        peer = PeerServer(offline, compass.config.judge)
        try:
            offline.pairs_per_s(groups_of(compass.config), _share(given.rounds, 0), WARM_UP_GROUPS)
            rounds = [_round(compass, offline, peer, number, given.seconds) for number in range(given.rounds)]
        finally:
            peer.close()
            offline.shutdown()
    table = Table("way", "pairs/s", "against", "ratio", "least", "greatest", "bar")
    for name, (against, bar) in BARS.items():
        result = _result(name, against, rounds)
        low, high = result.spread or (0.0, 0.0)
        table.add_row(
            name, f"{result.value:.1f}", against, f"{result.ratio:.2f}", f"{low:.2f}", f"{high:.2f}", str(bar)
        )
        print(write_result(result))
    Console().print(table)


def _round(compass: Service, offline: OfflineJudge, peer: PeerServer, number: int, seconds: float) -> dict[str, object]:
    groups = groups_of(compass.config)
    found: dict[str, object] = {"offline": offline.pairs_per_s(groups, _share(number, 0), OFFLINE_GROUPS)}
    endpoints = dict(zip(GATEWAYS, (None, compass.grpc, compass.http), strict=True))
    for place, gateway in enumerate(GATEWAYS):
        load = {"concurrency": CONCURRENCY, "first": _share(number, place + 1)}
        plan = compass.plan(groups, endpoints[gateway], seconds, **load)
        measured = asyncio.run(measure(plan))
        found[gateway] = measured.account.pairs_per_s
        found[f"{gateway}_details"] = _details(measured)
    found["peer"] = peer.pairs_per_s(groups, _share(number, len(GATEWAYS) + 1), PEER_GROUPS)
    print({name: round(value, 1) for name, value in found.items() if isinstance(value, float)}, flush=True)
    return found


def _share(number: int, way: int) -> int:
    """First of the groups that this round asks about in this way alone."""
    return (number * (len(GATEWAYS) + 2) + way) * _SHARE


def _details(measured: Measured) -> dict[str, object]:
    return {"load": asdict(measured.account), "engine": asdict(measured.engine) if measured.engine else None}


def _result(name: str, against: str, rounds: list[dict[str, object]]) -> Result:
    ours, theirs = [[float(found[way]) for found in rounds] for way in (name, against)]  # type: ignore[arg-type]
    if name == "peer":
        # The figure is ours, held against theirs.
        ours, theirs = theirs, ours
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Result(
        name=f"reward_speed_{name}",
        value=statistics.median(ours),
        unit="pairs/s",
        baseline=statistics.median(theirs),
        ratio=statistics.median(ratios),
        repeats=len(rounds),
        spread=(min(ratios), max(ratios)),
        details={"rounds": rounds},
    )


if __name__ == "__main__":
    main()
