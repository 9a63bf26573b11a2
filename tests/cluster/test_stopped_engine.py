"""A vLLM engine process that hangs counts as dead: Serve then replaces its replica."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import ray
from served_judge import judge_config, sharp_judge

from reward_server.checkpoint import judge_digest, judge_scale

__all__ = ["sharp_judge"]  # fixture


def test_a_stopped_engine_fails_its_health_check_and_is_well_when_it_goes_on(
    ray_cluster: None, sharp_judge: Path
) -> None:
    """In a process of its own, because an engine sets its process's environment."""

    config, digest = judge_config(sharp_judge), judge_digest(sharp_judge)
    scale = judge_scale(config, sharp_judge, digest)

    def work() -> str:
        from reward_server.engine import JudgeEngine
        from reward_server.errors import EngineDied
        from reward_server.metrics import ReplicaMetrics

        async def run() -> str:
            engine = JudgeEngine(sharp_judge, config, digest, scale, ReplicaMetrics())
            await engine.check()
            children = psutil.Process().children(recursive=True)
            (process,) = (child for child in children if "EngineCore" in " ".join(child.cmdline()))
            os.kill(process.pid, signal.SIGSTOP)
            try:
                await engine.check(within_s=1)
                said = ""
            except EngineDied as error:
                said = str(error)
            os.kill(process.pid, signal.SIGCONT)
            await engine.check()
            engine.shutdown()
            return said

        return asyncio.run(run())

    said = ray.get(ray.remote(num_cpus=1)(work).remote(), timeout=300)
    assert said == "the engine process has not answered for 1 s"
