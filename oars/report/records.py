"""What the report reads out of a run directory. Readers of our own files that ignore fields they do not show.

A run that failed early lacks files or fields; every part is optional, and the report shows what is there.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from oars.report.names import Model


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Interval(_Record):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class HeldOut(_Record):
    metrics: dict[str, Interval] = Field(default_factory=dict)
    images: int = 0
    failed: int = 0


class Stage(_Record):
    name: str
    steps: int = 0
    seconds: float = 0.0


class Groups(_Record):
    admitted: int = 0
    generated: int = 0
    scored: int = 0
    trained: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)


class Candidates(_Record):
    scored: int = 0
    failed: dict[str, int] = Field(default_factory=dict)


class Staleness(_Record):
    mean: float = 0.0
    max: int = 0


class Seconds(_Record):
    rollout: float = 0.0
    score: float = 0.0
    train: float = 0.0
    publish: float = 0.0
    idle: dict[str, float] = Field(default_factory=dict)


class RunSummary(_Record):
    """`summary.json`, as far as the report shows it."""

    run_id: str = ""
    name: str = ""
    status: str = "unknown"
    reason: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    started_at: str = ""
    seconds_total: float = 0.0
    stages: list[Stage] = Field(default_factory=list)
    groups: Groups = Groups()
    candidates: Candidates = Candidates()
    staleness: Staleness = Staleness()
    versions_published: int = 0
    images_per_second: float = 0.0
    seconds: Seconds = Seconds()
    held_out: dict[str, HeldOut] = Field(default_factory=dict)
    paired: dict[str, dict[str, Interval]] = Field(default_factory=dict)
    lower_is_better: list[str] = Field(default_factory=list)
    judge: dict[str, str] = Field(default_factory=dict)
    peak_memory_gib: float = 0.0


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


def read_summary(run_dir: Path) -> RunSummary:
    path = run_dir / "summary.json"
    return RunSummary.model_validate_json(path.read_text()) if path.exists() else RunSummary(run_id=run_dir.name)


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
