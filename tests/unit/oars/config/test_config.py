"""Profiles load and validate; what cannot be used is refused with one line that names the file and the field."""

from pathlib import Path

import pydantic
import pytest

from oars.compass.reward import Reward
from oars.config import BadConfig, RunConfig, load_profile
from oars.config.alarms import AlarmConfig
from oars.config.base import Config
from oars.config.curation import CurationConfig
from oars.config.judge_training import JUDGE_LORA_TARGETS, JudgeTrainingConfig
from oars.deployment import deploy_path

PROFILES = sorted(deploy_path("profiles").glob("*.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_shipped_profile_loads_and_is_named_after_its_file(path: Path) -> None:
    assert load_profile(path).name == path.stem


def test_shipped_profiles_are_the_three_documented_ones() -> None:
    assert [path.stem for path in PROFILES] == ["one-gpu", "paper", "tiny"]


def test_paper_profile_has_the_papers_numbers() -> None:
    config = load_profile(deploy_path("profiles/paper.yaml"))
    assert (config.generator.lora.rank, config.generator.lora.alpha) == (32, 64)
    assert (config.rollout.candidates, config.sampler.steps, config.sampler.inference_steps) == (24, 6, 40)
    assert "gamma=7.0" in Reward.load(config.reward.function, config.reward.parameters).provenance["reward_settings"]
    assert config.objective.beta == 1.0
    assert (config.objective.group_filter.max_mean, config.objective.group_filter.min_std) == (0.9, 0.05)
    assert config.objective.optimality.spread == "group"
    gpus = config.rollout.workers * config.rollout.resources.num_gpus
    gpus += config.learner.ranks * config.learner.resources.num_gpus
    assert gpus == 8


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_profile_is_consistent(path: Path) -> None:
    config = load_profile(path)
    assert config.objective.timesteps <= config.sampler.steps
    assert config.reward.min_scored <= config.rollout.candidates


def _profile(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("rollout: {candidats: 8}", "rollout.candidats"),
        ("rollout: {candidates: 0}", "rollout.candidates"),
        ("objective: {old_policy: {schedule: quadratic}}", "objective.old_policy.schedule"),
        ("objective: {old_policy: {at: learner}}", "objective.old_policy.at"),
        ("objective: {kind: flow_grpo, timesteps: 4}", "objective.old_policy.at: flow_grpo needs `sampler`"),
        (
            "objective: {kind: flow_grpo, old_policy: {at: sampler}}",
            "objective.timesteps: flow_grpo takes at most 4 of sampler.steps 6",
        ),
        ("data: {crop: 1536}", "data.crop: 1536**2 pixels are not in judge.min_pixels .. judge.max_pixels"),
        ("data: {crop: 500}", "data.crop: 500 is no multiple of 8 and of the scale 4"),
        ("{generator: {path: /g}, data: {crop: 504}}", "data.crop: 504 is no multiple of 16"),
        ("data: {scale: 3}", "data.crop: 512 is no multiple of 8 and of the scale 3"),
        ("data: {evaluation_crop: 60}", "data.evaluation_crop: 60 is no multiple"),
        ("{data: {crop: 1024}, judge: {path: /j, max_model_len: 2048}}", "data.crop: 1024 takes 2098 tokens a pair"),
        ("rollout: {candidates: 65}", "rollout.candidates: 65 are more than judge.max_candidates 64"),
        ("sampler: {tile: 100}", "sampler.tile: 100 is no multiple of 8"),
        ("sampler: {overlap: 512}", "sampler.overlap"),
        ("- a list", "mapping"),
        ("rollout: [", "not YAML"),
    ],
)
def test_bad_profile_is_one_line_naming_file_and_field(tmp_path: Path, text: str, field: str) -> None:
    path = _profile(tmp_path, text)
    with pytest.raises(BadConfig) as refusal:
        load_profile(path)
    assert str(path) in str(refusal.value)
    assert field in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_profile_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="absent"):
        load_profile(tmp_path / "absent.yaml")


def test_overrides_replace_fields_of_the_file(tmp_path: Path) -> None:
    path = _profile(tmp_path, "control: {max_staleness: 3, stall_s: 5}")
    config = load_profile(path, ["control.max_staleness=0", "stages.nr_rl.steps=7"])
    assert (config.control.max_staleness, config.control.stall_s, config.stages.nr_rl.steps) == (0, 5.0, 7)


@pytest.mark.parametrize("override", ["seed", "seed.more=1", "sampler.steps=none"])
def test_bad_override_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(BadConfig, match=override.split("=")[0].split(".")[0]):
        load_profile(_profile(tmp_path, "seed: 1"), [override])


def test_config_is_frozen() -> None:
    with pytest.raises(pydantic.ValidationError):
        RunConfig().seed = 1  # type: ignore[misc]


def test_resolved_config_round_trips_through_json() -> None:
    config = RunConfig()
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("rollout.candidates=1", "rollout.candidates"),
        ("reward.min_scored=9", "reward.min_scored"),
        ("reward.window_shift=49", "reward.window_shift"),
        ("reward.window_shift=40", "reward.window_shift"),
        ("data.crop=100", "data.crop"),
        ("data.evaluation_crop=32", "data.evaluation_crop"),
        ("data.photos=", "data.photos"),
        ("data.strength=[0.5, 0.2]", "data.strength"),
        ("data.strength=[0.0, 1.5]", "data.strength"),
        ("generator={pre_restoration: none, show_lr: true}", "show_lr"),
        ("sampler.overlap=96", "sampler.overlap"),
        ("sampler.tile=100", "sampler.tile"),
        ("name=my run", "name"),
        ("optimiser.betas=[0.9, 1.0]", "optimiser.betas"),
        ("judge.min_pixels=100000", "min_pixels"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(override: str, field: str) -> None:
    with pytest.raises(BadConfig, match=field):
        load_profile(deploy_path("profiles/tiny.yaml"), [override])


def test_a_generator_that_cannot_make_the_crop_of_a_data_set_is_refused() -> None:
    generator = {"name": "g", "kind": "generator"}
    bicubic = {"name": "b", "kind": "classical", "method": "bicubic"}
    with pytest.raises(pydantic.ValidationError, match="crop: 100 is no multiple of 8, which enhancer 'g' needs"):
        CurationConfig.model_validate({"crop": 100, "enhancers": [generator, bicubic]})


def test_a_section_that_names_one_field_keeps_the_other_defaults_of_its_place(tmp_path: Path) -> None:
    one = _profile(tmp_path, "name: a")
    config = load_profile(one, ["alarms.divergence.action=warn", "stages.cold_start.lora.rank=64"])
    assert config.alarms.divergence == AlarmConfig(limit=1.0, action="warn")
    assert (config.stages.cold_start.lora.rank, config.stages.cold_start.lora.alpha) == (64, 128)
    assert JudgeTrainingConfig.model_validate({"lora": {"rank": 8}}).lora.targets == JUDGE_LORA_TARGETS
    named = _profile(tmp_path, "name: a\nstages: {cold_start: {lora: {rank: 64}}}\nalarms: {lattice: {limit: 2}}")
    assert load_profile(named).stages.cold_start.lora == config.stages.cold_start.lora
    assert load_profile(named).alarms.lattice == AlarmConfig(limit=2.0, action="roll_back")


@pytest.mark.parametrize("name", sorted(RunConfig.model_fields))
def test_an_empty_section_is_the_default(name: str) -> None:
    default = RunConfig.model_fields[name].default
    if isinstance(default, Config):
        for inner in type(default).model_fields:
            section: dict[str, object] = {name: {inner: {}} if isinstance(getattr(default, inner), Config) else {}}
            assert getattr(RunConfig.model_validate(section | {"name": "a"}), name) == default
