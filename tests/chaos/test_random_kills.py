"""S = 0: whenever the driver is killed, the weights are those of a run that nobody disturbed."""

import random
import time
from pathlib import Path

import pytest
from alignment_job import DEADLINE_S, asked, finished, profile, read, start, versions, whole
from ledgers import accounted_for
from served_judge import compass, sharp_judge

__all__ = ["compass", "profile", "sharp_judge", "whole"]  # fixtures

# Every fact that a run of this size records between its first group and its last version.
FACTS = " UNION ALL ".join(
    f"SELECT COUNT(*) AS n FROM {table}" for table in ("attempts", "samples", "scorings", "steps", "leases", "versions")
)


def facts(run: Path) -> int:
    return sum(asked(run, FACTS))


@pytest.mark.chaos_long
@pytest.mark.timeout(3600)
def test_two_runs_and_one_killed_at_three_random_points_end_alike(profile: Path, whole: Path) -> None:
    runs = profile.parent / "runs"
    finished(start("--profile", str(profile), "--run-id", "second"))
    assert versions(runs / "second") == versions(whole)

    total, draw = facts(whole), random.Random(time.time_ns())
    points = sorted(draw.sample(range(1, total), 3))
    run, what = runs / "killed", ["--profile", str(profile), "--run-id", "killed"]
    for point in points:
        driver, deadline = start(*what), time.monotonic() + DEADLINE_S
        while facts(run) < point:
            assert driver.poll() is None and time.monotonic() < deadline, read(run / "log.jsonl")
            time.sleep(0.02)
        driver.kill()
        driver.communicate()
        accounted_for(run, final=False)
        what = ["--resume", str(run)]
    finished(start(*what))
    accounted_for(run)
    assert versions(run) == versions(whole), f"killed after {points} of {total} facts"
    for weights in sorted((whole / "aligned").glob("*.safetensors")):
        assert (run / "aligned" / weights.name).read_bytes() == weights.read_bytes()
