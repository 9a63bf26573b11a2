"""A vLLM engine process that hangs counts as dead, so that Serve replaces its replica; one that goes on is well."""

import os
import subprocess
import sys
from pathlib import Path

from served_judge import sharp_judge

__all__ = ["sharp_judge"]  # fixture

TESTS = Path(__file__).parents[1]
DEADLINE_S = 400  # for a machine that runs much else


def test_a_stopped_engine_fails_its_health_check_until_it_goes_on(sharp_judge: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ["PYTHONPATH"]])}
    command = [sys.executable, str(TESTS / "cluster" / "stopped_engine.py"), str(sharp_judge)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    checks = [line.removeprefix("check: ") for line in done.stdout.splitlines() if line.startswith("check: ")]
    assert checks == ["well", "the engine process has not answered for 1 s", "well"]
