"""A replica's last step before it is ready: it reads known transitions as the checkpoint's self-test says."""

from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import ValidationError

from oars.compass.outcome import Failed
from oars.compass.self_test import FILE, Known, pictures, read_self_test
from reward_server.errors import BadJudge
from reward_server.judgement import Judged


class Engine(Protocol):
    async def score(self, request_id: str, lr: np.ndarray, candidates: list[np.ndarray]) -> list[Judged]: ...


async def check_known_transitions(engine: Engine, directory: Path) -> int:
    """Number of groups that were read as expected; 0 without a self-test. Raises BadJudge."""
    try:
        test = read_self_test(directory)
    except ValidationError as error:
        raise BadJudge(f"judge: {directory / FILE} is not a self-test: {error.errors()[0]['msg']}") from error
    if test is None:
        return 0
    for seed in test.groups:
        lr, candidates = pictures(seed)
        outcomes = [judged.outcome for judged in await engine.score(f"self-test-{seed}", lr, list(candidates))]
        failed = next((outcome for outcome in outcomes if isinstance(outcome, Failed)), None)
        if failed is not None:
            raise BadJudge(f"judge {directory}: self-test, group {seed}: {failed.reason} {failed.detail}")
        read = [Known(**score.model_dump(include=set(Known.model_fields))) for score in outcomes]
        if (fault := test.fault(seed, read)) is not None:
            raise BadJudge(f"judge {directory}: self-test, {fault}")
    return len(test.groups)
