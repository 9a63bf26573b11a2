"""What a config's `path` may name."""

import json
from pathlib import Path

import pytest

from oars.miniature import MINIATURE, MissingModel, miniature_path, resolve_model


def test_the_first_qwen_image_edit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "QwenImageEditPipeline"}))
    with pytest.raises(MissingModel, match="names QwenImageEditPipeline; expected QwenImageEditPlusPipeline"):
        resolve_model(str(tmp_path), "generator")


def test_the_embedded_generator_is_of_the_expected_pipeline() -> None:
    assert resolve_model(MINIATURE, "generator") == miniature_path("generator")


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=r"expected a directory with model_index\.json"):
        resolve_model(str(tmp_path), "generator")
