"""A judge that is a class of one's own: its readings, its failures, its digest."""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from docs.examples.sharpness import Sharpness
from oars.compass.outcome import Failed, FailureReason, Judged
from oars.config import JudgeConfig
from reward_server.checkpoint import judge_identity
from reward_server.class_judge import ClassJudge
from reward_server.errors import BadJudge

EXAMPLE = "docs.examples.sharpness.Sharpness"
LR = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
SR = LR.repeat(4, 0).repeat(4, 1)


class Odd:
    """Answers as it is told to."""

    readings = ("value",)

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def score(self, lr: Any, candidates: list[Any]) -> list[Mapping[str, float]]:
        if isinstance(self._answer, str):
            raise RuntimeError(self._answer)
        return [self._answer] * len(candidates)


def outcomes(config: JudgeConfig, *candidates: np.ndarray) -> list[Judged | Failed]:
    judge = ClassJudge(config)
    try:
        return asyncio.run(judge.score("a", LR, list(candidates)))
    finally:
        judge.shutdown()


def odd(answer: Any) -> JudgeConfig:
    return JudgeConfig(class_path=f"{__name__}.Odd", init_args={"answer": answer})


def test_the_example_reads_each_candidate_and_a_bad_one_fails_alone() -> None:
    flat, small = np.full_like(SR, 99), SR[:8, :8]
    first, second, bad = outcomes(JudgeConfig(class_path=EXAMPLE), SR, flat, small)
    [expected] = Sharpness().score(LR, [SR])
    assert isinstance(first, Judged) and first.readings == expected and first.readings["distance"] == 0
    assert isinstance(second, Judged) and second.readings["sharpness"] == 0
    assert isinstance(bad, Failed) and bad.reason is FailureReason.BAD_IMAGE


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"value": float("nan")}, FailureReason.NON_FINITE),
        ({"other": 1.0}, FailureReason.ENGINE_ERROR),
        ("out of memory", FailureReason.ENGINE_ERROR),
    ],
)
def test_what_a_class_cannot_read_is_a_failure(answer: Any, reason: FailureReason) -> None:
    failed = outcomes(odd(answer), SR, SR)
    assert [getattr(outcome, "reason", None) for outcome in failed] == [reason] * 2


def test_the_digest_is_of_the_class_and_its_arguments() -> None:
    same = [judge_identity(JudgeConfig(class_path=EXAMPLE)) for _ in range(2)]
    others = [judge_identity(odd({"value": value})) for value in (1.0, 2.0)]
    assert same[0] == same[1]
    assert len({*same, *others, judge_identity(JudgeConfig())}) == 4


@pytest.mark.parametrize("path", ["docs.examples.sharpness.Nothing", "no_such_module.Judge"])
def test_a_class_that_is_not_there_is_one_line(path: str) -> None:
    with pytest.raises(BadJudge, match=r"^judge\.class_path: '[^\n]+' cannot be imported [^\n]+$"):
        judge_identity(JudgeConfig(class_path=path))
