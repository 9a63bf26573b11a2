"""What keeps a run from refreshing its judge is one line naming the field, before anything starts."""

from pathlib import Path

import pytest
import yaml

from oars.config import BadConfig, RunConfig, load_profile


def profile(folder: Path, **changes: object) -> Path:
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump({"stages": {"refresh": {}}} | changes))
    return path


def test_the_embedded_training_needs_no_more_than_an_empty_mapping(tmp_path: Path) -> None:
    assert RunConfig().stages.refresh is None
    for asked in (load_profile(profile(tmp_path)), load_profile(profile(tmp_path, stages={}), ["stages.refresh={}"])):
        assert asked.stages.refresh is not None and asked.stages.refresh.training is None


@pytest.mark.parametrize(
    "override",
    [
        "stages.fr_rl.steps=0",
        "stages.nr_rl.steps=0",
        "control.kept_pictures=0",
        "reward.endpoint=grpc://judge:9000",
        "judge.class_path=docs.examples.sharpness.Sharpness",
    ],
)
def test_a_run_that_cannot_refresh_its_judge_says_which_field_is_why(tmp_path: Path, override: str) -> None:
    field = override.partition("=")[0]
    path = profile(tmp_path)
    with pytest.raises(BadConfig, match=rf"profile\.yaml: {field}: [^\n]*stages\.refresh[^\n]*$"):
        load_profile(path, [override])
    load_profile(path, [override, "stages.refresh=null"])
