"""Roles on pools of nodes: each lands where its label selector says; a pool that is not there is one clear error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

TESTS = Path(__file__).parents[1]
DEADLINE_S = 400


def test_each_role_runs_in_its_own_pool_and_a_missing_pool_is_named(tmp_path: Path) -> None:
    paths = [str(TESTS), os.environ["PYTHONPATH"]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, str(TESTS / "cluster" / "node_pools.py"), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["where"] == {
        "learner": ["learner", "learner"],
        "rollout": ["rollout", "rollout"],
        "judge": ["judge"],
    }
    for role in ("learner", "rollout"):
        assert "nowhere" in told[role] and "requested" in told[role] and "available" in told[role]
        assert "\n" not in told[role]
