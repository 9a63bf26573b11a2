"""A judge's self-test: known pictures, expected readings, and no replica that reads otherwise calls itself ready."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oars.compass.outcome import Failed, FailureReason, Judged, JudgeOutcome
from oars.compass.prompt import NEWEST
from oars.compass.self_test import CANDIDATES, FILE, SIDE, Known, SelfTest, pictures, read_self_test, write_self_test
from oars.miniature import miniature_path
from reward_server.checkpoint import judge_digest
from reward_server.errors import BadJudge
from reward_server.self_test import check_known_transitions

LR_SUM, CANDIDATES_SUM = 402464, 19307915
KNOWN = Known(fidelity=0.5, q_lr=2, q_sr=3)


class Engine:
    def __init__(self, *outcomes: JudgeOutcome) -> None:
        self._outcomes = outcomes

    async def score(self, request_id: str, lr: Any, candidates: Any) -> list[Judged | Failed]:
        return list(self._outcomes)


def judged(fidelity: float = 0.5, q_lr: float = 2, q_sr: float = 3) -> Judged:
    return Judged(readings={"fidelity": fidelity, "q_lr": q_lr, "q_sr": q_sr, "confidence": 1})


def written(directory: Path, **fields: Any) -> Path:
    test = SelfTest(**{"prompt_version": NEWEST.name, "groups": {7: (KNOWN, KNOWN)}} | fields)
    (directory / FILE).write_text(test.model_dump_json())
    return directory


def check(directory: Path, *outcomes: JudgeOutcome) -> int:
    return asyncio.run(check_known_transitions(Engine(*outcomes).score, directory))


def test_readings_within_the_tolerance_pass(tmp_path: Path) -> None:
    assert check(written(tmp_path), judged(0.52), judged(q_lr=2.1, q_sr=2.9)) == 1


@pytest.mark.parametrize(
    ("outcome", "what"),
    [
        (judged(0.54), "candidate 1: fidelity is 0.540, expected 0.500"),
        (judged(q_lr=2.2), "q_lr is 2.200"),
        (judged(q_sr=2.8), "q_sr is 2.800"),
        (Failed(reason=FailureReason.LOW_CONFIDENCE, detail="0.1 < 0.5"), "group 7: low_confidence 0.1 < 0.5"),
    ],
)
def test_other_readings_do_not(tmp_path: Path, outcome: JudgeOutcome, what: str) -> None:
    with pytest.raises(BadJudge, match=f"self-test.*{what}"):
        check(written(tmp_path), judged(), outcome)


def test_a_judge_without_one_or_with_one_for_other_prompts_is_not_tested(tmp_path: Path) -> None:
    assert check(tmp_path) == 0
    assert check(written(tmp_path, prompt_version="another")) == 0


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(BadJudge, match=r"self_test\.json is not a self-test: Field required"):
        check(tmp_path)


def test_pictures_are_the_same_everywhere() -> None:
    lr, candidates = pictures(0)
    assert lr.shape == (SIDE // 4, SIDE // 4, 3) and candidates.shape == (CANDIDATES, SIDE, SIDE, 3)
    assert (int(lr.sum()), int(candidates.sum())) == (LR_SUM, CANDIDATES_SUM)
    assert not np.array_equal(lr, pictures(1)[0])


def test_the_embedded_judge_brings_a_true_one(tmp_path: Path) -> None:
    shipped = read_self_test(miniature_path("judge"))
    assert shipped is not None
    for path in miniature_path("judge").iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / FILE).unlink()
    digest = judge_digest(tmp_path)
    write_self_test(tmp_path)
    again = read_self_test(tmp_path)
    assert again is not None
    for seed, known in again.groups.items():
        assert shipped.fault(seed, list(known)) is None
    assert judge_digest(tmp_path) == digest
