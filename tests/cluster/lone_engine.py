"""A judge's engine without Serve: run by `test_lone_engine.py` in a process of its own, because an engine sets its
process's environment. Its argument is a folder with a judge, which gets a self-test; prints JSON.

`checks`: what its health check says when it is well, stopped (SIGSTOP), and well again; `unfinished`: requests inside
the engine before and after a group was cancelled; `passed`, `refusal`: groups of its own self-test, and what it says to
another judge's.
"""

import asyncio
import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

from served_judge import group, judge_config

from oars.compass.self_test import FILE, read_self_test, write_self_test
from reward_server.checkpoint import judge_digest, judge_scale
from reward_server.engine import JudgeEngine
from reward_server.errors import BadJudge, EngineDied
from reward_server.metrics import ReplicaMetrics
from reward_server.self_test import check_known_transitions


async def check(engine: JudgeEngine, within_s: float) -> str:
    try:
        await engine.check(within_s)
    except EngineDied as error:
        return str(error)
    return "well"


async def checks(engine: JudgeEngine) -> list[str]:
    [process] = multiprocessing.active_children()  # the engine started it, and nothing else
    assert process.pid is not None
    well = await check(engine, 60.0)
    os.kill(process.pid, signal.SIGSTOP)
    stopped = await check(engine, 1.0)
    os.kill(process.pid, signal.SIGCONT)
    return [well, stopped, await check(engine, 60.0)]


async def unfinished(engine: JudgeEngine) -> list[int]:
    count = engine._llm.output_processor.get_num_unfinished_requests
    lr, candidates = group(25, 8, 128)
    task = asyncio.create_task(engine.score("a", lr, list(candidates)))
    while not count():
        await asyncio.sleep(0.001)
    before = count()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return [before, count()]


async def self_test(engine: JudgeEngine, judge: Path) -> tuple[int, str]:
    write_self_test(judge)
    passed = await check_known_transitions(engine.score, judge)
    test = read_self_test(judge)
    assert test is not None
    other = {k: tuple(one.model_copy(update={"q_sr": 5.0}) for one in v) for k, v in test.groups.items()}
    (judge / FILE).write_text(test.model_copy(update={"groups": other}).model_dump_json())
    try:
        await check_known_transitions(engine.score, judge)
    except BadJudge as error:
        return passed, str(error)
    return passed, ""


async def main(judge: Path) -> None:
    config, digest = judge_config(judge), judge_digest(judge)
    engine = JudgeEngine(judge, config, digest, judge_scale(config, judge, digest), ReplicaMetrics())
    told = {"checks": await checks(engine), "unfinished": await unfinished(engine)}
    passed, refusal = await self_test(engine, judge)
    engine.shutdown()
    print(json.dumps(told | {"passed": passed, "refusal": refusal}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
