"""`--set`: text is taken as it stands, everything else is YAML, and what is neither is one line that quotes it."""

from pathlib import Path

import pytest

from oars.config import BadConfig, RunConfig, load_profile
from oars.config.curation import load_curation
from oars.deployment import deploy_path


def loaded(*overrides: str) -> RunConfig:
    return load_profile(deploy_path("profiles/tiny.yaml"), list(overrides))


@pytest.mark.parametrize("text", ["2024-05-01", "2024", "no", "null", "@photos", "*.png", "[a", "%x", "a: b", "'"])
def test_a_text_field_takes_the_text(text: str) -> None:
    assert loaded(f"data.photos={text}").data.photos == text
    assert loaded(f"labels.note={text}").labels == {"note": text}


def test_quotes_around_a_text_are_taken_off() -> None:
    assert loaded("generator.prompt='a: \"b\"'").generator.prompt == 'a: "b"'


def test_what_is_text_or_nothing_takes_both() -> None:
    assert loaded("reward.endpoint=http://h:1").reward.endpoint == "http://h:1"
    assert loaded("reward.endpoint=null").reward.endpoint is None
    assert loaded("reward.token_file=2024").reward.token_file == Path("2024")


def test_collections_of_text_hold_text() -> None:
    assert loaded("labels={a: no, b: 2024-05-01}").labels == {"a": "no", "b": "2024-05-01"}
    curation = load_curation(deploy_path("compass/laptop.yaml"), ["validation=[2024, no]"])
    assert curation.validation == ("2024", "no")


def test_everything_else_is_yaml() -> None:
    config = loaded("control.max_staleness=2", "learner.gradient_checkpointing=yes", "optimiser.betas=[0.5, 0.9]")
    assert (config.control.max_staleness, config.learner.gradient_checkpointing) == (2, True)
    assert config.optimiser.betas == (0.5, 0.9)
    assert loaded("control.max_staleness=unbounded").control.max_staleness == "unbounded"


@pytest.mark.parametrize("override", ["seed=[a", "seed=*x", "seed=@", "seed=2024-13-45", "data={photos: 2024-13-45}"])
def test_what_cannot_be_parsed_is_one_line_that_quotes_it(override: str) -> None:
    with pytest.raises(BadConfig) as error:
        loaded(override)
    assert repr(override) in str(error.value) and "\n" not in str(error.value)


def test_a_profile_with_an_impossible_date_is_one_line(tmp_path: Path) -> None:
    profile = tmp_path / "p.yaml"
    profile.write_text("data: {photos: 2024-13-45}\n")
    with pytest.raises(BadConfig, match="not YAML: month must be"):
        load_profile(profile)
