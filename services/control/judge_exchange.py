"""Puts the judge that a run has to be judged by in the place of the one that its application serves.

It may be done again at any time: replicas that hold this very judge stay. Clients of the application go on with it.
"""

import asyncio
from typing import Protocol

from reward_server.checkpoint import judge_identity
from services.run.run import Run


class ReplaceJudge(Protocol):
    """`services.launch.scaling.replace_judge`."""

    def __call__(self, app: str, path: str, deadline_s: float) -> None:
        """Return when no replica of the application has another judge than this one. Raises NoCompass, BadJudge."""


async def serve_judge(run: Run, replace: ReplaceJudge) -> None:
    """Raises NoCompass, BadJudge."""
    app, path = run.config.reward.app, run.judge.path
    print(f"serving the refreshed judge {path} as {app!r} (it loads and warms up)", flush=True)
    with run.watchdog.waiting("conductor", f"the judge {path} to be served"):
        await asyncio.to_thread(replace, app, path, run.config.control.start_deadline_s)
    run.watchdog.beat()
    run.telemetry.event("judge_served", app=app, path=path, digest=judge_identity(run.judge))
