"""Enlarges photos on Ray: as many actors as a run has rollout workers, with their resources; one photo a call.

A worker reads its photo and writes the enlargement itself, so every node has to see both folders under the same path.
A worker that dies is restarted by Ray, `rollout.max_restarts` times; its photo goes to the next free worker, and after
three deaths its record says so.
"""

import tempfile
from collections import Counter, deque
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

from oars.config import RolloutConfig, RunConfig
from oars.device import cap_device_memory
from oars.errors import UserError
from oars.names import printable
from services.results.enlargement_tasks import Task
from services.results.enlargements import Load, Record, failed

# A photo whose worker dies so often is the likely reason: more memory than there is.
_TRIES = 3


class NoWorkers(UserError, RuntimeError):
    """Nobody is left to enlarge; the message is one line that says why."""


class NotShared(UserError, FileNotFoundError):
    """A folder that a node does not see; the message is one line naming it."""


class EnlargementWorker:
    """Runs as a Ray actor."""

    def __init__(self, config: RolloutConfig, load: Load) -> None:
        torch.set_num_threads(config.resources.threads)
        cap_device_memory(config.gpu_memory_utilization)
        self._load = cache(load)  # at the first photo: a worker that cannot see the folder need not load

    def missing(self, files: list[Path]) -> list[Path]:
        """Those that this node does not see. Answers once the worker is up, or up again."""
        return [file for file in files if not file.is_file()]

    @ray.method(max_task_retries=0)
    def enlarge(self, task: Task) -> Record:
        """Raises what loading raises."""
        return self._load().record(task, lambda: None)


def enlarge_on_ray(
    config: RunConfig, load: Load, tasks: list[Task], out: Path
) -> Generator[tuple[Task, Record], None, None]:
    """Do the tasks, in the order in which they are done. Close it to end the workers.

    Raises NoWorkers, NotShared, and what loading raises.
    """
    with tempfile.NamedTemporaryFile(dir=out, prefix=".shared.", suffix=".partial") as seen:
        crew = _Crew(config, load, tasks, [Path(seen.name), tasks[0].source])
        try:
            yield from crew.records()
        finally:
            crew.stop()


class _Crew:
    """Who is on the way, free, or at work on which photo."""

    def __init__(self, config: RunConfig, load: Load, tasks: list[Task], shared: list[Path]) -> None:
        self._config, self._shared = config, shared
        self._todo, self._tries = deque(tasks), Counter[Task]()
        count = min(config.rollout.workers, len(tasks))
        self._workers = [_actor(config.rollout, f"enlarger-{number}", load) for number in range(count)]
        self._free: list[Any] = []
        self._busy: dict[Any, tuple[Any, Task]] = {}
        self._coming: dict[Any, Any] = {}
        self._last_words = ""
        for worker in self._workers:
            self._await(worker)

    def records(self) -> Iterator[tuple[Task, Record]]:
        while self._todo or self._busy:
            while self._todo and self._free:
                worker, task = self._free.pop(), self._todo.popleft()
                self._busy[worker.enlarge.remote(task)] = worker, task
            answer = self._first_answer()
            if answer in self._coming:
                self._came(self._coming.pop(answer), answer)
            else:
                yield from self._done(*self._busy.pop(answer), answer)

    def stop(self) -> None:
        for worker in self._workers:
            ray.kill(worker)

    def _await(self, worker: Any) -> None:
        self._coming[worker.missing.remote(self._shared)] = worker

    def _first_answer(self) -> Any:
        """Raises NoWorkers."""
        rollout, deadline = self._config.rollout, self._config.control.start_deadline_s
        asked = [*self._busy, *self._coming]
        if not asked:
            restarts = f"rollout.max_restarts: {rollout.max_restarts}"
            raise NoWorkers(f"every worker has died for good ({restarts}); the last: {self._last_words}")
        answers, _ = ray.wait(asked, timeout=None if self._busy else deadline)
        if not answers:
            raise NoWorkers(
                f"rollout: {rollout.workers} x {rollout.resources.model_dump()} requested and none up after "
                f"{deadline:.0f} s, available: {ray.available_resources()}"
            )
        return answers[0]

    def _came(self, worker: Any, answer: Any) -> None:
        """Raises NotShared."""
        try:
            missing = ray.get(answer)
        except RayActorError as error:  # Ray has given it up; the reason comes last, after any traceback
            self._last_words = str(error).strip().splitlines()[-1]
            return
        if missing:
            folder = printable(missing[0].parent)
            raise NotShared(f"{folder}: a node of the cluster does not see it; photos and outputs are to be shared")
        self._free.append(worker)

    def _done(self, worker: Any, task: Task, answer: Any) -> Iterator[tuple[Task, Record]]:
        """The record, unless the worker died and the photo is tried again."""
        try:
            record = ray.get(answer)
        except RayTaskError as error:
            raise error.cause from error
        except (RayActorError, OutOfMemoryError):
            self._await(worker)
            self._tries[task] += 1
            if self._tries[task] < _TRIES:
                self._todo.append(task)
                return
            yield task, failed(task, f"{printable(task.source)}: its worker died {_TRIES} times")
        else:
            self._free.append(worker)
            yield task, record


def _actor(config: RolloutConfig, name: str, load: Load) -> Any:
    # Ray titles a process after its actor's class.
    titled = type(f"oars:{name}", (EnlargementWorker,), {})
    actor = ray.remote(titled).options(
        num_cpus=config.resources.num_cpus,
        num_gpus=config.resources.num_gpus,
        label_selector=config.resources.label_selector or None,
        max_restarts=config.max_restarts,
        max_task_retries=-1,  # calls wait for a worker that is being restarted
        scheduling_strategy="SPREAD",
    )
    return actor.remote(config, load)
