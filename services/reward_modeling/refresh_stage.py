"""`stages.refresh`: the judge's refresh between FR-RL and NR-RL of a run.

It goes on where an earlier driver was killed, and once refresh.json is there it is done: a later driver has that judge
served before anything is scored (`services/control/roles.py`), and this step has nothing left to do. A requested stop
ends it with what is finished on disk.
"""

from dataclasses import dataclass

from oars.evaluation.refreshed import Refreshed
from services.control.judge_exchange import ReplaceJudge, serve_judge
from services.reward_modeling.refresh_settings import gamma_of, refresh_labels, stage_training
from services.run.progress import ProgressLine
from services.run.refreshed import refresh_files, refresh_folder
from services.run.run import Run

_STAGE = "refresh"


async def refresh_judge(run: Run, over: bool, replace: ReplaceJudge) -> None:
    """Does nothing without `stages.refresh`, and where RL is `over` or a stop is requested.

    Raises what `refresh` raises, NoCompass, BadJudge.
    """
    done = run.refreshed
    if done is None and not over and not run.stop.requested:
        done = await run.stop.unless_requested(_refreshed(run))
        if done:
            await serve_judge(run, replace)
    if done:
        run.stage_ended(_STAGE, done.steps)
        run.ledger.record_clocks(run.clocks.seconds())


async def _refreshed(run: Run) -> Refreshed | None:
    training = stage_training(run.config)
    if training is None:
        return None
    # Ray Data takes seconds to import, which a run without a refresh need not wait for.
    from services.reward_modeling.refresh import lines, refresh

    run.telemetry.phase(_STAGE)
    files, gamma = refresh_files(refresh_folder(run.directory)), gamma_of(run.config)
    with run.watchdog.waiting("conductor", "the judge's labels and training"):
        result = await refresh(run.directory, files, training, refresh_labels(), gamma, _Watched(run))
    run.telemetry.event("refreshed", **result.model_dump())
    for line in lines(result):
        print(line, flush=True)
    return result


@dataclass(frozen=True)
class _Watched:
    """Progress of the run, and a sign of life for its watchdog."""

    run: Run

    def update(self, line: ProgressLine) -> None:
        self.run.watchdog.beat()
        self.run.progress.update(line)
