"""A judge's engine that is stopped (SIGSTOP) and goes on: run by `test_stopped_engine.py` in a process of its own,
because an engine sets its process's environment. Prints `check: what it says` when well, stopped, and well again."""

import asyncio
import multiprocessing
import os
import signal
import sys
from pathlib import Path

from served_judge import judge_config

from reward_server.checkpoint import judge_digest, judge_scale
from reward_server.engine import JudgeEngine
from reward_server.errors import EngineDied
from reward_server.metrics import ReplicaMetrics


async def check(engine: JudgeEngine, within_s: float) -> None:
    try:
        await engine.check(within_s)
    except EngineDied as error:
        print(f"check: {error}")
    else:
        print("check: well")


async def main(judge: Path) -> None:
    config, digest = judge_config(judge), judge_digest(judge)
    engine = JudgeEngine(judge, config, digest, judge_scale(config, judge, digest), ReplicaMetrics())
    [process] = multiprocessing.active_children()  # the engine started it, and nothing else
    assert process.pid is not None
    await check(engine, 60.0)
    os.kill(process.pid, signal.SIGSTOP)
    await check(engine, 1.0)
    os.kill(process.pid, signal.SIGCONT)
    await check(engine, 60.0)
    engine.shutdown()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
