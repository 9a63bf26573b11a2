"""`summary.json`: what a run did and what came of it. The one documented model; readers check `schema_version`."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from oars.alignment.drops import DropReason
from oars.compass.outcome import FailureReason
from oars.config.alarms import Action, AlarmName
from oars.errors import UserError
from oars.evaluation.intervals import Interval
from oars.evaluation.refreshed import Refreshed
from oars.files import write_text
from oars.json_files import read_json

SCHEMA_VERSION = 1
SUMMARY = "summary.json"

Status = Literal["running", "succeeded", "stopped", "failed"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Stage(_Part):
    """One stage of the run."""

    name: str
    steps: int
    """Optimiser steps done."""
    seconds: float


class Groups(_Part):
    """Groups by what became of them: admitted = trained + dropped + in_flight."""

    admitted: int = 0
    generated: int = 0
    scored: int = 0
    trained: int = 0
    dropped: dict[DropReason, int] = Field(default_factory=lambda: dict.fromkeys(DropReason, 0))
    in_flight: int = 0
    """Not gone yet: what a resume goes on with; 0 after a run that succeeded."""


class Candidates(_Part):
    """Candidates sent to the judge, by outcome."""

    scored: int = 0
    failed: dict[FailureReason, int] = Field(default_factory=lambda: dict.fromkeys(FailureReason, 0))


class Staleness(_Part):
    """Versions between sampling and training, over trained groups."""

    mean: float = 0.0
    max: int = 0


class Seconds(_Part):
    """Wall-clock seconds by phase, summed over the workers of a role; phases of different roles overlap."""

    rollout: float = 0.0
    score: float = 0.0
    train: float = 0.0
    publish: float = 0.0
    idle: dict[str, float] = Field(default_factory=dict)
    """Seconds without work during the RL stages, by role (`rollout`, `learner`)."""


class HeldOut(_Part):
    """One model on the held-out crops. Keys: reward, its readings (of COMPASS fidelity and q_sr), psnr, ssim and the
    metric panel."""

    metrics: dict[str, Interval]
    """Mean over crops with its 95 % bootstrap interval."""
    images: int
    """Crops that have a score."""
    failed: int = 0
    """Crops that COMPASS could not score; in no COMPASS mean."""


class Alarm(_Part):
    """An alarm that was raised while the run trained."""

    step: int
    """RL optimiser steps done."""
    name: AlarmName
    level: float
    limit: float
    action: Action

    @property
    def line(self) -> str:
        """For people."""
        return f"alarm {self.name} at step {self.step}: {self.level:.3g}, above {self.limit:g}"


class Summary(_Part):
    """Everything that one looks for first after a run."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    name: str
    status: Status
    reason: str = ""
    """Reason why the run stopped or failed; empty otherwise."""
    warnings: list[str] = Field(default_factory=list)
    """Reasons to doubt the result although nothing failed; one line each."""
    looks: int = 0
    """Looks at the watched crops that alarms went by; 0: nothing was watched."""
    alarms: list[Alarm] = Field(default_factory=list)
    """Alarms in the order in which they were raised (docs/alignment.md)."""
    rolled_back_to: int | None = None
    """RL step whose weights were evaluated, after an alarm that rolls back."""
    labels: dict[str, str] = Field(default_factory=dict)
    started_at: str
    """ISO 8601, UTC."""
    seconds_total: float = 0.0
    """Since the first start, interruptions included."""
    stages: list[Stage] = Field(default_factory=list)
    groups: Groups = Groups()
    candidates: Candidates = Candidates()
    staleness: Staleness = Staleness()
    versions_published: int = 0
    images_per_second: float = 0.0
    """Scored candidates per second of the RL stages."""
    seconds: Seconds = Seconds()
    held_out: dict[str, HeldOut] = Field(default_factory=dict)
    """Results by model: bicubic (reference row), base, sft, aligned."""
    paired: dict[str, dict[str, Interval]] = Field(default_factory=dict)
    """Difference of two models image by image, `aligned-sft` and `sft-bicubic`, by metric."""
    lower_is_better: list[str] = Field(default_factory=list)
    """Metrics of `held_out` where less is better."""
    judge: dict[str, str] = Field(default_factory=dict)
    """Provenance of the scores, after a refresh of those since then: checkpoint digest, prompt version."""
    refresh: Refreshed | None = None
    """Judges before and after `stages.refresh`; None without one."""
    peak_memory_gib: float = 0.0
    """Greatest sum, over the run's processes, of resident memory not shared with others (PSS where readable)."""


def write_summary(summary: Summary, run_dir: Path) -> Path:
    """Atomic: a reader sees the old file or the new one."""
    path = run_dir / SUMMARY
    write_text(path, summary.model_dump_json(indent=2) + "\n")
    return path


class BadSummary(UserError, ValueError):
    """A summary.json that cannot be read; the message is one line naming the file and the field."""


def read_summary(run_dir: Path) -> Summary:
    """Raises BadSummary."""
    return read_json(run_dir / SUMMARY, Summary, BadSummary)


def read_or_unfinished(run_dir: Path) -> Summary:
    """A stand-in summary for a run that has not written one; it says so. Raises BadSummary."""
    if (run_dir / SUMMARY).exists():
        return read_summary(run_dir)
    reason = "no summary.json: it is running, or was killed"
    return Summary(run_id=run_dir.name, name=run_dir.name, status="running", started_at="", reason=reason)
