"""Finds the embedded miniature weights, wherever the package is installed."""

from importlib.resources import files
from pathlib import Path
from typing import Literal

Part = Literal["generator", "judge"]
MINIATURE = "miniature"


class MissingModel(FileNotFoundError):
    """A model directory that is not there; the message names it and says how to get one."""


def miniature_path(part: Part) -> Path:
    """Directory of the embedded generator (diffusers format) or judge (transformers format)."""
    return Path(str(files("oars") / "miniature_weights" / part))


def resolve_model(path: str, part: Part) -> Path:
    """A config's `path`: a directory, or `miniature`. Raises MissingModel naming the path."""
    directory = miniature_path(part) if path == MINIATURE else Path(path)
    index = "model_index.json" if part == "generator" else "config.json"
    if not (directory / index).is_file():
        hint = "build it with `oars miniature build`" if path == MINIATURE else f"expected a directory with {index}"
        raise MissingModel(f"{part}: no model in {directory}: {hint}")
    return directory
