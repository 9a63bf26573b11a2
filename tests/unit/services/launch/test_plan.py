"""What a dry run prints, for people."""

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
