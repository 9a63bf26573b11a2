"""A replica's last steps before it is ready: it judges made-up groups, and known transitions as its checkpoint's
self-test says."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import ValidationError

from oars.compass.outcome import Failed, FailureReason, Judged
from oars.compass.self_test import FILE, Known, pictures, read_self_test
from reward_server.errors import BadJudge

_SIDE = 128  # pixels
_CANDIDATES = 4


class Read(Protocol):
    """Outcomes of the candidates of one LR, pictures uint8 [H, W, 3]."""

    async def __call__(self, request_id: str, lr: np.ndarray, candidates: list[Any], /) -> list[Judged | Failed]: ...


async def warm_up(read: Read, groups: int) -> None:
    """Judge noise, so that no user waits for first-time work. Raises BadJudge if nothing gets readings."""
    noise = np.random.default_rng(0)
    for number in range(groups):
        lr, *candidates = noise.integers(0, 256, (_CANDIDATES + 1, _SIDE, _SIDE, 3), np.uint8)
        outcomes = await read(f"warm-up-{number}", lr, candidates)
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
        if len(failed) == len(outcomes):
            raise BadJudge(_no_readings(failed[0]))


def _no_readings(failure: Failed) -> str:
    if failure.reason is FailureReason.LOW_CONFIDENCE:
        return (
            f"the judge does not answer with the digit or letter that it is asked for: {failure.detail} "
            "(judge.min_confidence): fine-tune it with `oars compass train`, or take another chat model"
        )
    return f"the judge reads nothing: {failure.reason} {failure.detail}"


async def check_known_transitions(read_group: Read, directory: Path) -> int:
    """Number of groups that were read as expected; 0 without a self-test. Raises BadJudge."""
    try:
        test = read_self_test(directory)
    except ValidationError as error:
        raise BadJudge(f"judge: {directory / FILE} is not a self-test: {error.errors()[0]['msg']}") from error
    if test is None:
        return 0
    for seed in test.groups:
        lr, candidates = pictures(seed)
        read = []
        for outcome in await read_group(f"self-test-{seed}", lr, list(candidates)):
            if isinstance(outcome, Failed):
                raise BadJudge(f"judge {directory}: self-test, group {seed}: {outcome.reason} {outcome.detail}")
            read.append(Known(**{name: outcome.readings[name] for name in Known.model_fields}))
        if (fault := test.fault(seed, read)) is not None:
            raise BadJudge(f"judge {directory}: self-test, {fault}")
    return len(test.groups)
