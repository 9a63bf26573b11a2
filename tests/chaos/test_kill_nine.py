"""kill -9 on the roles of a running alignment: nothing is lost, trained twice, invented or left behind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# On a machine that runs much else.
DEADLINE_S = 560


def account(folder: Path, *arguments: str, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
    """Of one attack, in a process and a cluster of its own."""
    command = [sys.executable, "-m", "benchmarks.chaos", "--results", str(folder), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=deadline_s)
    assert done.returncode == 0, done.stdout
    details: dict[str, Any] = json.loads((folder / "chaos.json").read_text())["details"]
    for fault in details["faults"]:
        assert fault["noticed_s_max"] is not None and fault["working_s_max"] is not None, fault
    return dict(details["account"])


def nothing_is_amiss(account: dict[str, Any]) -> None:
    assert account["exit_code_of_sigterm"] == 143 and account["exit_code_of_the_last_driver"] == 0
    assert account["violations"] == [] and account["groups_lost"] == account["groups_trained_twice"] == 0
    assert account["groups_admitted"] == account["groups_trained"] + account["groups_dropped"]
    assert account["repeated_steps_that_differ"] == 0 and account["orphans"] == []
    assert account["engines"] == account["replicas"] == 1
    # COMPASS still runs, and may hold an object of its own; what a run leaks are samples and pictures.
    assert "usage 0 MiB" in account["objects_left"]


def test_a_worker_the_engine_and_a_rank(tmp_path: Path) -> None:
    nothing_is_amiss(account(tmp_path, "--minutes", "0", "--faults", "rollout,engine,learner"))


@pytest.mark.chaos_long
@pytest.mark.timeout(3600)
def test_every_role_in_turn_and_at_random(tmp_path: Path) -> None:
    nothing_is_amiss(account(tmp_path, "--minutes", "20", deadline_s=3600))
