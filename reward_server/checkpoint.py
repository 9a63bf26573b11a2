"""The judge's directory: found, complete, and identified by a digest, before an engine spends minutes on it."""

import hashlib
import json
from pathlib import Path

from oars.compass.self_test import FILE as SELF_TEST
from oars.miniature import MissingModel, resolve_model
from reward_server.errors import BadJudge

_CHUNK = 1 << 22  # bytes hashed at once
_WEIGHTS_INDEX = "model.safetensors.index.json"
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")  # transformers writes either


def judge_directory(path: str) -> Path:
    """The directory of `path`, or of the embedded judge for `miniature`. Raises BadJudge if it or a file is missing."""
    try:
        directory = resolve_model(path, "judge")
    except MissingModel as error:
        raise BadJudge(str(error)) from error
    needed = ("tokenizer.json", *sorted(_weights(directory)))
    missing = [name for name in needed if not (directory / name).is_file()]
    if not any((directory / name).is_file() for name in _PROCESSOR_FILES):
        missing.append(_PROCESSOR_FILES[0])
    if missing:
        raise BadJudge(f"judge: {directory} lacks {', '.join(missing)}")
    return directory


def judge_digest(directory: Path) -> str:
    """SHA-256 over the names and contents of the directory's JSON and safetensors files: what decides a score.

    The self-test is no part of it: it is checked against the scores, and makes none.
    """
    total = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        if path.suffix in {".json", ".safetensors"} and path.name != SELF_TEST and path.is_file():
            total.update(path.name.encode() + b"\0" + _file_digest(path))
    return total.hexdigest()


def _weights(directory: Path) -> set[str]:
    index = directory / _WEIGHTS_INDEX
    return set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else {"model.safetensors"}


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()
