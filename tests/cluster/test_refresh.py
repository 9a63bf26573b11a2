"""A judge's refresh on real Ray Data and a real rank: beside the event loop, and on from where it was cancelled."""

import asyncio
import threading
from pathlib import Path

import numpy as np
from served_judge import photo, sharp_judge

from oars.compass.data.run_pictures import PICTURES, keep_pictures
from oars.config import JudgeConfig, RunConfig
from oars.imaging.crops import Pair
from reward_server.checkpoint import judge_digest
from services.reward_modeling.refresh import refresh
from services.reward_modeling.refresh_settings import refresh_labels, refresh_training
from services.run.progress import ProgressLine
from services.run.refreshed import read_refreshed, refresh_files, refresh_folder

__all__ = ["sharp_judge"]  # fixture
SIDE = 64
SHORT = ["steps=2", "evaluate_every=1", "validation_groups=1", "batch_groups=2", "micro_batch=1", "candidates=2"]
SHORT += ["sides=[]", "ladder_length=0", "held_out_enhancers=[]", "dtype=float32"]


class Heard:
    """Progress that cancels the work at its first line of measurements."""

    def __init__(self, cancels: bool) -> None:
        self.lines: list[tuple[ProgressLine, bool]] = []
        self.loop, self.cancels, self.task = asyncio.get_running_loop(), cancels, asyncio.current_task()

    def update(self, line: ProgressLine) -> None:
        self.lines.append((line, threading.current_thread() is threading.main_thread()))
        if self.cancels and self.task and line.stage == "measurements":
            self.loop.call_soon_threadsafe(self.task.cancel)


def keep_some_pictures(run: Path) -> None:
    (run / PICTURES).mkdir(parents=True)
    for number in range(5):
        gt = photo(number, SIDE)
        candidates = np.stack([gt // 2 + photo(10 * number + k + 10, SIDE) // 2 for k in range(2)])
        keep_pictures(run / PICTURES / f"group{number}.npz", Pair(f"photo{number}@0", gt[::4, ::4], gt), candidates, 2)


def test_a_cancelled_refresh_goes_on_and_leaves_another_judge(
    ray_cluster: None, sharp_judge: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    keep_some_pictures(run)
    files, training = (
        refresh_files(refresh_folder(run)),
        refresh_training(JudgeConfig(path=str(sharp_judge)), None, SHORT),
    )

    async def go(cancels: bool) -> list[tuple[ProgressLine, bool]]:
        heard = Heard(cancels)
        try:
            await refresh(run, files, training, refresh_labels(), 7.0, heard)
        except asyncio.CancelledError:
            assert cancels
        return heard.lines

    asyncio.run(go(cancels=True))
    assert not files.judge.exists()
    lines = asyncio.run(go(cancels=False))
    aside = {line.stage for line, on_the_loop in lines if not on_the_loop}
    assert {"measurements", "labels", "pack train", "probe"} <= aside
    assert {line.stage for line, on_the_loop in lines if on_the_loop} == {"tune", "measure"}
    done = read_refreshed(RunConfig.model_validate({"stages": {"refresh": {}}}), run)
    assert done is not None and done.steps == 2
    assert (done.judge_before, done.judge_after) == (judge_digest(sharp_judge), judge_digest(files.judge))
    assert done.judge_before != done.judge_after
