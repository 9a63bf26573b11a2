"""Expected time: what the rehearsal and the profiles say of the same measurements."""

from dataclasses import replace

import pytest

from oars.config import load_profile
from oars.config.judge_training import load_training
from oars.deployment import deploy_path
from oars.device_memory import Sizes
from oars.expected_time import expected

FULL = Sizes(20_430_401_088, 8_292_166_656, 126_892_531, 94_371_840, 377_487_360, 8_767_123_696, 147_456)


def of(profile: str, *overrides: str) -> dict[str, float]:
    config = load_profile(deploy_path(f"profiles/{profile}.yaml"), list(overrides))
    return {one.what: one.seconds for one in expected(config, FULL) if one.seconds is not None}


def refresh(training: str, *overrides: str, measuring: int = 2, judge: int = FULL.judge) -> float | None:
    """Of `paper`, 800 groups, with one of the shipped trainings."""
    config, asked = (
        load_profile(deploy_path("profiles/paper.yaml")),
        load_training(deploy_path(f"compass/{training}.yaml"), list(overrides)),
    )
    times = expected(config, replace(FULL, judge=judge), asked, measuring)
    assert [one.what for one in times] == ["cold start", "FR-RL", "refresh", "NR-RL", "held-out evaluation"]
    return times[2].seconds


def test_a_step_of_the_paper_is_what_the_rehearsal_takes() -> None:
    assert of("paper")["FR-RL"] / 100 == pytest.approx(237, rel=0.05)


def test_a_cold_start_on_one_gpu_is_what_its_profile_says() -> None:
    assert of("one-gpu")["cold start"] / 500 == pytest.approx(12, rel=0.05)


def test_guidance_of_the_base_costs_a_fourth_pass_in_the_evaluation() -> None:
    guided, plain = of("paper"), of("paper", "sampler.base_cfg=1")
    assert guided["held-out evaluation"] == pytest.approx(plain["held-out evaluation"] * 4 / 3)


def test_roles_that_share_a_device_wait_for_each_other() -> None:
    shared = of("one-gpu")["NR-RL"]
    assert shared > of("one-gpu", "rollout.resources.num_gpus=1", "learner.resources.num_gpus=1")["NR-RL"]


def test_a_second_picture_costs_half_as_much_again() -> None:
    shown = of("one-gpu", "generator.pre_restoration=x4plus", "generator.show_lr=true")
    assert shown["cold start"] == pytest.approx(1.5 * of("one-gpu")["cold start"])


def test_a_refresh_takes_its_labels_steps_measurements_and_both_standings() -> None:
    labels = 800 * 8 * 2.0 / 2  # LR, four candidates and three made of them, two CPU seconds each, by two
    a_step = 8 * 4 * 4 * 0.055
    measured = 19 * 64 * 7 * 0.055
    standings = 2 * (160 * 7 + 16 * 44) * 0.055
    whole = labels + 3600 * a_step + measured + standings
    assert refresh("train-one-gpu") == pytest.approx(whole, rel=0.01)
    assert refresh("train-one-gpu", judge=FULL.judge // 2) == pytest.approx(labels + (whole - labels) / 2, rel=0.01)
    assert refresh("train-one-gpu", measuring=1) == pytest.approx(whole + labels, rel=0.01)


def test_the_time_of_a_refresh_on_cpus_is_not_known() -> None:
    assert refresh("train-continue") is None


def test_nothing_is_said_without_gpus() -> None:
    assert of("tiny") == {}
