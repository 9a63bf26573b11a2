"""A model's directory, checked for wholeness before anything loads it: reads headers and small files alone.

Found are files that are missing, pointers that git-lfs left in a clone, weights and JSON that were cut short, and
shards that an index names. A changed bit inside the weights is not.
"""

import json
from pathlib import Path
from typing import Any

from oars.errors import UserError

PIPELINE_INDEX, MODEL_CONFIG, SAFETENSORS = "model_index.json", "config.json", ".safetensors"

_LFS = b"version https://git-lfs.github.com/spec/"
_STEMS = ("model", "diffusion_pytorch_model")  # transformers' and diffusers'
_LENGTH_BYTES = 8
"""A safetensors file begins with the length of its JSON header."""
_PARSED_BYTES = 2**20
"""Larger JSON files (vocabularies) are looked at from both ends."""
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")  # transformers writes either


class MissingModel(UserError, FileNotFoundError):
    """A model directory that is not there, or not whole; the message names it and what to do."""


def check_pipeline(directory: Path) -> None:
    """A pipeline in diffusers' format: every component that its index names. Raises MissingModel."""
    for name, entry in _json(directory / PIPELINE_INDEX).items():
        if isinstance(entry, list) and entry[-1] is not None:  # [library, class]
            _check_component(directory / name, entry[-1])


def check_model(directory: Path) -> None:
    """A model in transformers' or diffusers' format: config and weights. Raises MissingModel."""
    _json(directory / MODEL_CONFIG)
    _check_json_files(directory)
    for file in _weights(directory):
        _check_safetensors(file)


def check_weights(path: Path) -> None:
    """A model's directory, or a LoRA's safetensors file. Raises MissingModel."""
    if path.suffix == SAFETENSORS:
        _check_safetensors(path)
    else:
        check_model(path)


def check_tokenizer(directory: Path) -> None:
    """In either of transformers' formats. Raises MissingModel."""
    _check_json_files(directory)
    if not (directory / "tokenizer.json").is_file():
        pair = [directory / "vocab.json", directory / "merges.txt"]
        missing = [path for path in pair if not path.is_file()]
        if missing:
            raise _missing(missing[0] if len(missing) < len(pair) else directory / "tokenizer.json")
        _check_no_pointer(pair[1])


def check_processor(directory: Path) -> None:
    """Settings of a picture processor. Raises MissingModel."""
    _check_json_files(directory)
    if not any((directory / name).is_file() for name in _PROCESSOR_FILES):
        raise _missing(directory / _PROCESSOR_FILES[0])


def _check_component(directory: Path, kind: str) -> None:
    if not directory.is_dir():
        raise _missing(directory)
    if "Processor" in kind:
        check_processor(directory)
    if "Tokenizer" in kind or "VLProcessor" in kind:
        check_tokenizer(directory)
    elif "Scheduler" in kind:
        _json(directory / "scheduler_config.json")
    elif "Processor" not in kind:
        check_model(directory)


def _weights(directory: Path) -> list[Path]:
    """Files that hold the weights, whether they are there or not."""
    for stem in _STEMS:
        index, whole = directory / f"{stem}.safetensors.index.json", directory / f"{stem}.safetensors"
        if index.is_file():
            weight_map = _json(index).get("weight_map")
            if not isinstance(weight_map, dict) or not weight_map:
                raise MissingModel(f"{index}: names no shards in weight_map")
            return [directory / name for name in sorted(set(weight_map.values()))]
        if whole.is_file():
            return [whole]
    own = "_class_name" in _json(directory / MODEL_CONFIG)  # diffusers says so, transformers does not
    return [directory / f"{_STEMS[own]}.safetensors"]


def _check_safetensors(path: Path) -> None:
    _check_no_pointer(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        header = file.read(length) if length <= size - _LENGTH_BYTES else b""
    try:
        tensors = json.loads(header)
        end = max((entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MissingModel(f"{path}: no safetensors file, or cut short ({size} bytes)") from error
    if size != (whole := _LENGTH_BYTES + length + end):
        raise MissingModel(f"{path}: {size} bytes, its header says {whole}: copy it again")


def _check_json_files(directory: Path) -> None:
    for path in sorted(directory.glob("*.json")):
        _json(path)


def _json(path: Path) -> dict[str, Any]:
    """The file's content; of a large one nothing, and its two ends are looked at."""
    _check_no_pointer(path)
    content = path.read_bytes().strip()
    if len(content) > _PARSED_BYTES:
        if content[:1] + content[-1:] not in (b"{}", b"[]"):
            raise MissingModel(f"{path}: not JSON, or cut short ({len(content)} bytes)")
        return {}
    try:
        parsed: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise MissingModel(f"{path}: not JSON, or cut short ({len(content)} bytes)") from error
    return parsed


def _check_no_pointer(path: Path) -> None:
    """Check that the file is no pointer to a large file, and that it can be read."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_LFS))
    except FileNotFoundError as error:
        raise _missing(path) from error
    except OSError as error:
        raise MissingModel(f"{path}: cannot be read: {error.strerror}") from error
    if start == _LFS:
        raise MissingModel(f"{path}: a git-lfs pointer, not the file: `git lfs pull` fetches it")


def _missing(path: Path) -> MissingModel:
    return MissingModel(f"{path}: missing")
