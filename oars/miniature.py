"""Finds the embedded miniature weights, wherever the package is installed."""

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import RootModel

from oars.errors import naming
from oars.files import sha256, write_text
from oars.hub import PREFIX, pulled
from oars.json_files import read_json
from oars.model_files import (
    MODEL_CONFIG,
    PIPELINE_INDEX,
    MissingModel,
    check_model,
    check_pipeline,
    check_processor,
    check_tokenizer,
)

Part = Literal["generator", "judge"]
MINIATURE = "miniature"
MANIFEST = "manifest.json"
PIPELINES = ("QwenImageEditPlusPipeline", "FluxKontextPipeline")
"""Classes of generators that there is a family for (oars/generator/families)."""

_CHECKS: dict[Part, tuple[Callable[[Path], None], ...]] = {
    "generator": (check_pipeline,),
    "judge": (check_model, check_tokenizer, check_processor),
}


class _Digests(RootModel[dict[str, str]]):
    """manifest.json: file -> SHA-256."""


def miniature_path(part: Part) -> Path:
    """Directory of the embedded generator (diffusers format) or judge (transformers format)."""
    return Path(str(files("oars") / "miniature_weights" / part))


def resolve_model(path: str, part: Part) -> Path:
    """A config's `path`: a directory, `miniature`, or a model of a hub that was pulled. Raises MissingModel naming it,
    or the file that it lacks.

    So does a generator of another pipeline: the first Qwen-Image-Edit would load, and be asked with its successor's
    template.
    """
    directory = _directory(path, part)
    index = PIPELINE_INDEX if part == "generator" else MODEL_CONFIG
    if not (directory / index).is_file():
        hint = "build it with `oars miniature build`" if path == MINIATURE else f"expected a directory with {index}"
        raise MissingModel(f"{part}: no model in {directory}: {hint}")
    with naming(part, MissingModel):
        for check in _CHECKS[part]:
            check(directory)
    if part == "generator":
        found = json.loads((directory / index).read_text()).get("_class_name")
        if found not in PIPELINES:
            raise MissingModel(f"generator: {directory / index} names {found}; expected {' or '.join(PIPELINES)}")
    return directory


def _directory(path: str, part: Part) -> Path:
    if path == MINIATURE:
        return miniature_path(part)
    with naming(part, MissingModel):
        return pulled(path) if path.startswith(PREFIX) else Path(path)


def write_manifest(directory: Path) -> Path:
    """List every file of a built miniature with its sha256, next to them."""
    manifest = directory / MANIFEST
    digests = {path.relative_to(directory).as_posix(): sha256(path) for path in _files(directory)}
    write_text(manifest, json.dumps(digests, indent=2) + "\n")
    return manifest


def verify_files(directory: Path) -> int:
    """Number of files in the manifest, all present and unchanged. Raises MissingModel naming the first that is not."""
    if not (directory / MANIFEST).is_file():
        raise MissingModel(f"{directory}: no {MANIFEST}: build the models with `oars miniature build`")
    digests = read_json(directory / MANIFEST, _Digests, MissingModel).root
    for name, digest in digests.items():
        path = directory / name
        if not path.is_file() or sha256(path) != digest:
            raise MissingModel(f"{path}: {'changed' if path.is_file() else 'missing'}, by {directory / MANIFEST}")
    return len(digests)


def _files(directory: Path) -> list[Path]:
    parts = (p for part in ("generator", "judge") for p in (directory / part).rglob("*") if p.is_file())
    return sorted([*parts, *directory.glob("*.safetensors")])
