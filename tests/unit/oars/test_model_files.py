"""A model that is not whole is one line that names the file; a whole one passes without its weights being read."""

import json
import shutil
from pathlib import Path

import pytest

from oars.miniature import Part, miniature_path, resolve_model
from oars.model_files import MissingModel

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
GENERATOR_WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


def copy_of(part: Part, tmp_path: Path) -> Path:
    return shutil.copytree(miniature_path(part), tmp_path / part)


def complaint(directory: Path, part: Part) -> str:
    with pytest.raises(MissingModel) as error:
        resolve_model(str(directory), part)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("part", ["generator", "judge"])
def test_a_whole_model_passes(part: Part, tmp_path: Path) -> None:
    directory = copy_of(part, tmp_path)
    assert resolve_model(str(directory), part) == directory


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("generator", GENERATOR_WEIGHTS),
        ("generator", "vae/config.json"),
        ("generator", "tokenizer/tokenizer.json"),
        ("judge", "model.safetensors"),
        ("judge", "tokenizer.json"),
    ],
)
def test_a_pointer_of_git_lfs_is_called_one(part: Part, name: str, tmp_path: Path) -> None:
    directory = copy_of(part, tmp_path)
    (directory / name).write_text(POINTER)
    line = complaint(directory, part)
    assert f"{directory / name}: a git-lfs pointer" in line


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("generator", "transformer/config.json"),
        ("generator", GENERATOR_WEIGHTS),
        ("generator", "text_encoder/model.safetensors"),
        ("generator", "tokenizer/tokenizer.json"),
        ("generator", "processor/processor_config.json"),
        ("generator", "scheduler/scheduler_config.json"),
        ("judge", "processor_config.json"),
        ("judge", "model.safetensors"),
    ],
)
def test_a_missing_file_is_named(part: Part, name: str, tmp_path: Path) -> None:
    directory = copy_of(part, tmp_path)
    (directory / name).unlink()
    assert Path(name).name.removeprefix("pre") in complaint(directory, part)


@pytest.mark.parametrize("kept", [0, 4, 500, 100_000])
@pytest.mark.parametrize(("part", "name"), [("generator", GENERATOR_WEIGHTS), ("judge", "model.safetensors")])
def test_weights_that_were_cut_short_are_named(part: Part, name: str, kept: int, tmp_path: Path) -> None:
    directory = copy_of(part, tmp_path)
    (directory / name).write_bytes((directory / name).read_bytes()[:kept])
    assert f"{directory / name}: " in complaint(directory, part)


def test_a_vocabulary_that_was_cut_short_is_named(tmp_path: Path) -> None:
    directory = copy_of("judge", tmp_path)
    (directory / "tokenizer.json").write_text('{"a": "' + 2**21 * "x")
    assert "tokenizer.json: not JSON, or cut short" in complaint(directory, "judge")


def test_every_shard_of_an_index_is_needed(tmp_path: Path) -> None:
    directory = copy_of("generator", tmp_path)
    whole = directory / GENERATOR_WEIGHTS
    shard = whole.rename(whole.with_name("shard-1.safetensors"))
    index = whole.with_name(whole.name + ".index.json")
    index.write_text(json.dumps({"weight_map": {"a": shard.name}}))
    assert resolve_model(str(directory), "generator") == directory
    index.write_text(json.dumps({"weight_map": {"a": shard.name, "b": "shard-2.safetensors"}}))
    assert "shard-2.safetensors: missing" in complaint(directory, "generator")
