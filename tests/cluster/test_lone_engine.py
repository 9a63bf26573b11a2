"""One vLLM engine without Serve: one that hangs counts as dead, so that Serve replaces its replica; cancelled work
leaves it; its self-test tells judges apart."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from served_judge import sharp_judge

pytestmark = pytest.mark.engine

__all__ = ["sharp_judge"]  # fixture
TESTS = Path(__file__).parents[1]
DEADLINE_S = 400  # for a machine that runs much else


@pytest.fixture(scope="module")
def told(sharp_judge: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    judge = shutil.copytree(sharp_judge, tmp_path_factory.mktemp("lone") / "judge")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ["PYTHONPATH"]])}
    command = [sys.executable, str(TESTS / "cluster" / "lone_engine.py"), str(judge)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_a_stopped_engine_fails_its_health_check_until_it_goes_on(told: dict[str, Any]) -> None:
    assert told["checks"] == ["well", "the engine process has not answered for 1 s", "well"]


def test_cancelled_work_leaves_the_engine(told: dict[str, Any]) -> None:
    before, after = told["unfinished"]
    assert before > 0 and after == 0


def test_the_self_test_tells_judges_apart(told: dict[str, Any]) -> None:
    assert told["passed"] == 2
    assert "self-test, group 0, candidate 0: q_sr is" in told["refusal"]
