"""A small synchronous alignment on the session's cluster, its drivers as separate processes.

Import the fixtures `profile` and `whole` by name, and those of `served_judge` with them.
"""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from tiny import tiny_config

from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from reward_server.client import CompassClient

DEADLINE_S = 400


@pytest.fixture(scope="module")
def profile(compass: CompassClient, sharp_judge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synchronous steps a stage on the tiny generator; the judge is the one that is served."""
    return write_profile(tmp_path_factory.mktemp("align"), sharp_judge)


def write_profile(folder: Path, judge: Path, **changes: dict[str, Any]) -> Path:
    """The profile of such a run on a judge of this directory; `changes` are fields of its sections."""
    tree = _short_run(folder, judge).model_dump(mode="json")
    for section, fields in changes.items():
        tree[section] |= fields
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def _short_run(folder: Path, judge: Path) -> RunConfig:
    return tiny_config(
        build_tiny(folder / "generator"),
        runs=str(folder / "runs"),
        data={"crop": 64, "evaluation_crop": 96, "evaluation_crops": 2, "shown_crop": 96, "shown_crops": 1},
        sampler={"steps": 3, "batch": 2, "tile": 64, "overlap": 16},
        stages={
            "rl_on": "sft",
            "cold_start": {"steps": 2, "batch": 2},
            "fr_rl": {"steps": 2, "groups": 2},
            "nr_rl": {"steps": 2, "groups": 2},
        },
        judge={"path": str(judge)},
        control={"max_staleness": 0, "checkpoint_every": 2},
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    """The driver, as `ray job submit` would start it."""
    command = [sys.executable, "-m", "services.launch.driver", *arguments]
    environment = os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(driver: subprocess.Popen[str], run: Path, text: str, file: str) -> None:
    """Until a file of the run says so."""
    deadline = time.monotonic() + DEADLINE_S
    while text not in read(run / file):
        assert driver.poll() is None and time.monotonic() < deadline, read(run / "log.jsonl")
        time.sleep(0.2)


def finished(driver: subprocess.Popen[str]) -> None:
    """Wait for a driver's ordinary end."""
    output, _ = driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode == 0, output


@pytest.fixture(scope="module")
def whole(profile: Path) -> Path:
    """A run that nothing disturbed."""
    finished(start("--profile", str(profile), "--run-id", "whole"))
    return profile.parent / "runs" / "whole"


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def asked(run: Path, query: str) -> list[Any]:
    """The first column of a query on the run's ledger; empty while there is none."""
    if not (run / "ledger.sqlite").exists():
        return []
    ledger = sqlite3.connect(f"file:{run / 'ledger.sqlite'}?mode=ro", uri=True)
    try:
        return [row[0] for row in ledger.execute(query)]
    except sqlite3.OperationalError:
        return []  # its tables are being made
    finally:
        ledger.close()


def versions(run: Path) -> list[str]:
    """Every published version with its digest."""
    return asked(run, "SELECT version || ' ' || digest FROM versions ORDER BY version")
