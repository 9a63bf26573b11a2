"""What a config's `path` may name, and that shipped configs show the embedded generator what it was trained on."""

import json
from pathlib import Path

import pytest

from oars.config import GeneratorConfig, load_profile
from oars.config.curation import GeneratorEnhancerConfig, load_curation
from oars.deployment import deploy_path
from oars.generator.miniature.build import miniature_config
from oars.miniature import (
    MANIFEST,
    MINIATURE,
    MissingModel,
    miniature_path,
    resolve_model,
    verify_files,
    write_manifest,
)


def test_the_first_qwen_image_edit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "QwenImageEditPipeline"}))
    with pytest.raises(MissingModel, match="names QwenImageEditPipeline; expected QwenImageEditPlusPipeline"):
        resolve_model(str(tmp_path), "generator")


def test_the_embedded_generator_is_of_the_expected_pipeline() -> None:
    assert resolve_model(MINIATURE, "generator") == miniature_path("generator")


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=r"expected a directory with model_index\.json"):
        resolve_model(str(tmp_path), "generator")


def test_files_are_verified_by_a_manifest_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "judge").mkdir()
    (tmp_path / "judge" / "config.json").write_text("{}")
    write_manifest(tmp_path)
    assert verify_files(tmp_path) == 1
    (tmp_path / "judge" / "config.json").write_text("{ }")
    with pytest.raises(MissingModel, match=r"config\.json: changed"):
        verify_files(tmp_path)
    for content in ("", "[]"):
        (tmp_path / MANIFEST).write_text(content)
        with pytest.raises(MissingModel, match=rf"{MANIFEST}: "):
            verify_files(tmp_path)


@pytest.mark.parametrize("name", ["laptop", "shipped"])
def test_curation_conditions_the_embedded_generator_as_it_was_trained(name: str) -> None:
    enhancers = load_curation(deploy_path(f"compass/{name}.yaml")).enhancers
    found = [e.generator for e in enhancers if isinstance(e, GeneratorEnhancerConfig)]
    assert len(found) == 3 and all(how_shown(generator) == how_shown(miniature_config()) for generator in found)


def test_the_tiny_profile_conditions_the_embedded_generator_as_it_was_trained() -> None:
    assert how_shown(load_profile(deploy_path("profiles/tiny.yaml")).generator) == how_shown(miniature_config())


def how_shown(generator: GeneratorConfig) -> tuple[str, str, int, str, bool]:
    return (
        generator.path,
        generator.prompt,
        generator.text_image_area,
        generator.pre_restoration,
        generator.show_lr,
    )
