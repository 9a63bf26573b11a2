"""The judge's directory: one line names what is missing; the digest follows what decides a score."""

import json
from pathlib import Path

import pytest

from reward_server.checkpoint import judge_digest, judge_directory
from reward_server.errors import BadJudge

EMPTY_WEIGHTS = "\2" + 7 * "\0" + "{}"  # the header's length, and a header without tensors


def judge(directory: Path, **files: str) -> Path:
    contents = {name: "{}" for name in ("config.json", "tokenizer.json", "processor_config.json")}
    for name, text in (contents | {"model.safetensors": EMPTY_WEIGHTS} | files).items():
        (directory / name).write_text(text)
    return directory


def test_a_missing_directory_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadJudge, match=r"^judge: no model in .*/gone: [^\n]+$"):
        judge_directory(str(tmp_path / "gone"))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "processor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (judge(tmp_path) / name).unlink()
    with pytest.raises(BadJudge, match=name):
        judge_directory(str(tmp_path))


def test_every_shard_of_an_index_is_needed(tmp_path: Path) -> None:
    index = json.dumps({"weight_map": {"a": "one", "b": "model.safetensors"}})
    judge(tmp_path, **{"model.safetensors.index.json": index})
    with pytest.raises(BadJudge, match=r"/one: missing$"):
        judge_directory(str(tmp_path))
    (tmp_path / "one").write_text(EMPTY_WEIGHTS)
    assert judge_directory(str(tmp_path)) == tmp_path


def test_the_digest_follows_weights_and_settings_only(tmp_path: Path) -> None:
    before = judge_digest(judge(tmp_path))
    (tmp_path / "README.md").write_text("a card")
    assert judge_digest(tmp_path) == before
    (tmp_path / "model.safetensors").write_text("\2" + 7 * "\0" + "[]")
    assert judge_digest(tmp_path) != before
