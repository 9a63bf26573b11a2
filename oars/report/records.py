"""What the report reads beside the summary: steps and samples, without the fields that it does not show.

A run that failed early lacks files or fields; every part is optional, and the report shows what is there.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from oars.report.names import Model


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


class Sample(_Record):
    """One entry of `samples/index.json`: a held-out crop, once per model."""

    image_id: str
    images: dict[Model, str]
    """Paths relative to `samples/`."""
    scores: dict[str, dict[str, float | None]] = Field(default_factory=dict)


def read_steps(run_dir: Path) -> list[Step]:
    """Steps in the order done. After a crash a step is done, and written, again: the last line of a step counts."""
    steps = {(step.stage, step.step): step for step in _lines(run_dir / "metrics.jsonl")}
    return list(steps.values())


def _lines(path: Path) -> Iterator[Step]:
    if not path.exists():
        return
    # A crash can cut the last line short; a line is whole when its newline was written.
    for line in path.read_text().splitlines(keepends=True):
        if line.endswith("\n") and line.strip():
            yield Step.model_validate_json(line)


def read_samples(run_dir: Path) -> list[Sample]:
    path = run_dir / "samples" / "index.json"
    return [Sample.model_validate(entry) for entry in json.loads(path.read_text())] if path.exists() else []
