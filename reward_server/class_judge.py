"""A judge that is a class of one's own: a metric, a CLIP score, another VLM, behind the same gateways and client.

`judge.class_path` names the class, `judge.init_args` are its arguments; each replica makes one instance. The class has
to be importable in the replicas. docs/examples/sharpness.py is one.
"""

import asyncio
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from oars.compass.calibrated import Scale
from oars.compass.outcome import Failed, FailureReason, Judged
from oars.config import JudgeConfig
from oars.dotted import BadPath, load, source_digest
from oars.imaging.image_io import Pixels
from reward_server.errors import BadJudge
from reward_server.pictures import Candidate, check_pictures
from reward_server.statistics import EngineStatistics


class PictureJudge(Protocol):
    """The protocol of such a class."""

    readings: Sequence[str]
    """Names of the numbers that it reads of a candidate: the reward function takes them by these names."""

    def score(self, lr: Pixels, candidates: list[Pixels]) -> Sequence[Mapping[str, float]]:
        """The readings of each candidate, in order. LR uint8 [h, w, 3], candidates uint8 [H, W, 3], all of one size.

        Called in a thread, one group at a time. An exception fails the group's candidates.
        """


class ClassJudge:
    """An instance of the class in a replica. Satisfies reward_server.app.ReplicaJudge."""

    prompt_version: str | None = None
    scale = Scale()

    def __init__(self, config: JudgeConfig) -> None:
        """Raises BadJudge if the class cannot be imported."""
        self._config, self.digest = config, class_digest(config)
        self._judge = _loaded(config)[0](**config.init_args)
        self.readings, self.statistics = tuple(self._judge.readings), EngineStatistics()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge")

    async def score(self, request_id: str, lr: Candidate, candidates: Sequence[Candidate]) -> list[Judged | Failed]:
        """One outcome a candidate, in their order."""
        group = check_pictures(lr, candidates, self._config)
        if isinstance(group, Failed):
            return [group] * len(candidates)
        good = [candidate for candidate in group.candidates if not isinstance(candidate, Failed)]
        read = iter(await asyncio.get_running_loop().run_in_executor(self._thread, self._read, group.lr, good))
        return [candidate if isinstance(candidate, Failed) else next(read) for candidate in group.candidates]

    async def self_test(self) -> None:
        """There is none."""

    async def check(self) -> None:
        """It lives and dies with its replica."""

    def shutdown(self) -> None:
        self._thread.shutdown(wait=False)

    def _read(self, lr: Pixels, candidates: list[Pixels]) -> list[Judged | Failed]:
        try:
            answers = self._judge.score(lr, candidates) if candidates else []
            return [self._outcome(answer) for _, answer in zip(candidates, answers, strict=True)]
        except Exception as error:  # the boundary to code that is not ours
            failed = Failed(reason=FailureReason.ENGINE_ERROR, detail=f"{type(error).__name__}: {error}")
            return [failed] * len(candidates)

    def _outcome(self, answer: Mapping[str, float]) -> Judged | Failed:
        readings = {name: float(answer[name]) for name in self.readings}
        if not all(map(math.isfinite, readings.values())):
            return Failed(reason=FailureReason.NON_FINITE, detail=str(readings))
        return Judged(readings=readings)


def class_digest(config: JudgeConfig) -> str:
    """SHA-256 of all that decides its readings: its module's source and its arguments. Raises BadJudge."""
    parts = config.class_path, _loaded(config)[1], json.dumps(config.init_args, sort_keys=True)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _loaded(config: JudgeConfig) -> tuple[Callable[..., PictureJudge], str]:
    """The class, and the digest of its source. Raises BadJudge."""
    try:
        judge = load(str(config.class_path))
        return judge, source_digest(judge)
    except BadPath as error:
        raise BadJudge(f"judge.class_path: {error}") from error
