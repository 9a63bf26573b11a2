"""What cannot fit is refused with the field that would mend it."""

import re

import pytest
from full_size import FULL

from oars.config import load_profile
from oars.deployment import deploy_path
from oars.device_memory import Phases, phases
from services.launch.fit import Machine, misfits

H200, H100 = Machine(1, 150.7, 400.0), Machine(16, 85.5, 2000.0)


def of(profile: str, *overrides: str) -> Phases:
    return phases(load_profile(deploy_path(f"profiles/{profile}.yaml"), list(overrides)), FULL)


def test_the_profiles_fit_where_they_are_meant_to_run() -> None:
    assert misfits(of("one-gpu"), H200) == []
    assert misfits(of("paper"), H100) == []


def test_shares_that_a_profile_gives_hold_what_the_roles_need() -> None:
    for phase in of("one-gpu").values():
        assert sum(need.share for need in phase) <= 1
        assert all(need.total <= need.share * H200.gpu_gb for need in phase)


@pytest.mark.parametrize(
    ("overrides", "machine", "expected"),
    [
        (
            ["learner.gpu_memory_utilization=0.2"],
            H200,
            "learner.gpu_memory_utilization: 0.2 leaves 30.1 of 150.7",
        ),
        (
            ["optimiser.micro_batch=16", "learner.gpu_memory_utilization=1"],
            H200,
            "share a GPU take .* lower optimiser.micro_batch",
        ),
        (["stages.cold_start.trained=all", "stages.cold_start.gpu_memory_utilization=1"], H200, "trained: lora"),
        ([], Machine(1, 85.5, 400.0), "RL: roles that share a GPU"),
        ([], Machine(1, 150.7, 100.0), "host memory while loading, RL: 116.3 GB .* the machine has 100.0"),
    ],
)
def test_what_does_not_fit_names_what_to_change(overrides: list[str], machine: Machine, expected: str) -> None:
    assert re.search(expected, "; ".join(misfits(of("one-gpu", *overrides), machine)))


def test_a_judge_elsewhere_takes_nothing_here() -> None:
    roles = {need.role for phase in of("one-gpu", "reward.endpoint=http://judge:8000").values() for need in phase}
    assert "judge" not in roles
