"""What a dry run prints, for people."""

from pathlib import Path

from oars.config import load_profile
from oars.deployment import deploy_path
from oars.imaging.survey import survey
from services.launch.plan import plan_lines


def test_the_memory_of_small_models_is_in_megabytes() -> None:
    config = load_profile(deploy_path(), ["data.photos=packages"])
    lines = list(plan_lines(config, survey(config.data, config.seed), None))
    roles = [line for line in lines if "of host memory" in line]
    assert len(roles) == 4 and not any("0.0 GB" in line or " 0 MB" in line for line in roles)
    assert any("MB of host memory each while loading" in line for line in roles)


def test_the_refresh_is_among_the_roles_the_stages_and_the_times(tmp_path: Path) -> None:
    training = tmp_path / "training.yaml"
    training.write_text("{steps: 7, learner: {ranks: 2}}")
    gpus = [f"{role}.resources.num_gpus=1" for role in ("rollout", "learner")]
    config = load_profile(deploy_path(), ["data.photos=packages", f"stages.refresh.training={training}", *gpus])
    lines = list(plan_lines(config, survey(config.data, config.seed), None))
    assert any(line.startswith("learner, refresh: 2 x ") for line in lines)
    assert "refresh: the judge is trained on FR-RL's pictures, at most 7 steps" in lines
    assert "time, refresh: not known without GPUs" in lines
    assert lines[-1].endswith("on H100s, what is not known aside")
