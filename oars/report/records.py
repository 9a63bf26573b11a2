"""Records that the report reads beside the summary: steps and samples, without the fields that it does not show.

A run that failed early lacks files or fields; every part is optional, and the report shows what is there.
"""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from oars.errors import UserError
from oars.json_files import first_fault
from oars.report.names import Model


class BadRecord(UserError, ValueError):
    """A file of a run that is not of its format; the message is one line naming the file."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Step(_Record):
    """One line of `metrics.jsonl`: one optimiser step."""

    step: int
    stage: str
    reward_mean: float | None = None
    reward_std: float | None = None
    """Mean over the batch's groups of the standard deviation within a group."""
    fidelity: float | None = None
    q_sr: float | None = None
    loss: float | None = None
    grad_norm: float | None = None
    staleness_mean: float | None = None


Choice = Literal["chosen", "best", "worst"]
"""Why a crop is shown: chosen before the run; or alignment gained most there, or lost most."""


class Sample(_Record):
    """One entry of `samples/index.json`: a crop that no model was trained on, once per model."""

    choice: Choice = "chosen"
    image_id: str
    images: dict[Model, str]
    """Paths relative to `samples/`."""
    scores: dict[str, dict[str, float | None]] = Field(default_factory=dict)


def read_steps(run_dir: Path) -> list[Step]:
    """Steps in the order done. After a crash a step is done, and written, again: the last line of a step counts.

    Raises BadRecord.
    """
    path = run_dir / "metrics.jsonl"
    if not path.exists():
        return []
    # A line that a crash or a full disk cut short is no record, and its step is written again.
    rows = filter(None, map(_row, path.read_text(errors="replace").splitlines()))
    try:
        steps = [Step.model_validate(row) for row in rows]
    except ValidationError as error:
        raise BadRecord(f"{path}: {first_fault(error)}") from error
    return list({(step.stage, step.step): step for step in steps}.values())


def _row(line: str) -> dict[str, object] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def read_samples(run_dir: Path) -> list[Sample]:
    """Raises BadRecord."""
    path = run_dir / "samples" / "index.json"
    if not path.exists():
        return []
    try:
        return [Sample.model_validate(entry) for entry in json.loads(path.read_text())]
    except ValueError as error:
        raise BadRecord(f"{path}: {' '.join(str(error).split())}") from error
