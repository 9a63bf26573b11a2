"""`python -m benchmarks.reward_recovery`: COMPASS is scaled and killed under load, and every answer is checked.

1 -> 2 replicas, kill -9 of one's engine process, of the other's replica process, 2 -> 1, and both kills again with one
replica left.
"""

import argparse
import asyncio

from benchmarks.reward_setting import Service, groups_of, service
from benchmarks.reward_storm import SETTING, Storm, report, through_storm
from reward_server.client import CompassClient
from services.bench.known_scores import Comparison
from services.bench.load import Sample


async def weather(storm: Storm) -> None:
    await asyncio.sleep(5)
    await storm.scale(2)
    await asyncio.sleep(5)
    await storm.kill("engine", (await storm.running())[0], 2)
    await storm.kill("replica", (await storm.running())[0], 2)
    await asyncio.sleep(5)
    await storm.scale(1)
    await storm.kill("engine", (await storm.running())[0], 1)
    await storm.kill("replica", (await storm.running())[0], 1)
    await asyncio.sleep(5)


async def measure(compass: Service) -> tuple[list[Sample], Comparison, Storm]:
    async with CompassClient(compass.config.reward) as client:
        return await through_storm(client, groups_of(compass.config), compass.config.reward.app, weather)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with service(*SETTING) as compass:
        report("reward_recovery", *asyncio.run(measure(compass)))


if __name__ == "__main__":
    main()
