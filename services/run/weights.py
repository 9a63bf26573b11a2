"""The transformers that a run leaves, found and checked by their headers before anything heavy is imported."""

from pathlib import Path
from typing import Literal

from oars.model_files import MODEL_CONFIG, check_model
from services.run.run_directory import BadRun

ALIGNED: Literal["aligned"] = "aligned"


def run_weights(run: Path, model: Literal["sft", "aligned"]) -> Path:
    """The model's directory in that of the run. Raises BadRun if the run has not come so far, MissingModel for weights
    that are not whole."""
    weights = run / model
    if not (weights / MODEL_CONFIG).is_file():
        raise BadRun(f"run {run.name!r} has no {model} weights in {weights}: it has not come so far")
    check_model(weights)
    return weights
