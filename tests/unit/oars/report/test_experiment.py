"""An experiment's page: effects by seed, their intervals, and what is not there yet."""

from pathlib import Path

import pytest
from scipy import stats

from oars.compass.reward import Reward
from oars.config import BadConfig, load_profile
from oars.config.experiment import ExperimentConfig, load_experiment
from oars.deployment import DEFAULT_PROFILE, deploy_path
from oars.evaluation.intervals import bootstrap_mean
from oars.report.experiment import effects, page
from oars.report.summary import HeldOut, Summary

CONFIG = ExperimentConfig(
    question="Does it help?", arms={"without": (), "with": ("a=1",)}, expected={"psnr": "up", "stlpips": "down"}
)
FILES = sorted(deploy_path("experiments").glob("*.yaml"))


def summary(psnr: float, stlpips: float) -> Summary:
    metrics = {"psnr": bootstrap_mean([psnr]), "stlpips": bootstrap_mean([stlpips])}
    held_out = {"aligned": HeldOut(metrics=metrics, images=1)}
    return Summary(run_id="r", name="n", status="succeeded", started_at="", seconds_total=600, held_out=held_out)


WITHOUT = {seed: summary(25.0 + seed, 0.3) for seed in range(3)}
WITH = {seed: summary(26.0 + seed + 0.1 * seed, 0.35) for seed in range(3)}


def test_an_effect_is_the_mean_difference_of_equal_seeds_with_students_interval() -> None:
    psnr, stlpips = effects(CONFIG, {"without": WITHOUT, "with": WITH})
    assert psnr.change is not None and psnr.change.mean == pytest.approx(1.1) and psnr.change.count == 3
    theirs = stats.ttest_1samp([1.0, 1.1, 1.2], 0).confidence_interval(0.95)
    assert (psnr.change.low, psnr.change.high) == pytest.approx((theirs.low, theirs.high))
    assert psnr.verdict == "seen" and stlpips.verdict == "the other way"


def test_what_differs_from_seed_to_seed_is_open_and_one_seed_is_no_interval() -> None:
    mixed = {seed: summary(25.0 + seed + change, 0.3) for seed, change in enumerate((1.0, -1.0, 0.2))}
    assert effects(CONFIG, {"without": WITHOUT, "with": mixed})[0].verdict == "open"
    [psnr, _] = effects(CONFIG, {"without": WITHOUT, "with": {1: WITH[1]}})
    assert psnr.change is None and psnr.verdict == "open"


def test_the_page_says_how_much_is_there() -> None:
    text = page("trial", CONFIG, {"without": WITHOUT, "with": {0: WITH[0], 1: WITH[1]}})
    assert (
        "5 of 6 runs" in text and "| with | PSNR (dB) | +1.05 |" in text and "| without | - | 10.0 | 0 of 3 |" in text
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_arm_of_a_shipped_experiment_is_a_profile_whose_reward_takes_its_parameters(file: Path) -> None:
    config = load_experiment(file)
    for overrides in config.arms.values():
        profile = load_profile(deploy_path(DEFAULT_PROFILE), [*config.common, *overrides])
        assert profile.name == "tiny" and Reward.load(profile.reward.function, profile.reward.parameters)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{question: q, arms: {a: []}, expected: {psnr: up}}", "arms: "),
        ("{question: q, arms: {a: [], b: []}, expected: {psnr: up}, seeds: [1, 2]}", "seeds: "),
        ("{question: q, arms: {a: [], b: []}, expected: {psnr: up}, seeds: [1, 1, 2]}", "a seed is there twice"),
    ],
)
def test_a_bad_experiment_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(BadConfig, match=line):
        load_experiment(tmp_path / "bad.yaml")
