"""The result of a measurement: one JSON object, the same fields for all.

A timing is compared within one run only: `value` and `baseline` come from the same process, minutes apart at most.
"""

import os
import platform
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, Field

from oars.files import write_text

_GIB = 1024**3


def this_machine() -> str:
    """Cores, memory and processor family; no host name."""
    memory = psutil.virtual_memory().total / _GIB
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, {platform.system()}"


class Result(BaseModel):
    """The headline figure of one benchmark, and what it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    value: float
    unit: str
    baseline: float | None = None
    """Reference for `value`, in the same unit."""
    ratio: float | None = None
    """value / baseline."""
    repeats: int = 1
    spread: tuple[float, float] | None = None
    """Least and greatest of the repeats, or the bounds of an interval that `details` names."""
    machine: str = Field(default_factory=this_machine)
    details: dict[str, Any] = Field(default_factory=dict)
    """Tables and settings behind the figure; JSON values only."""


def write_result(result: Result, folder: Path) -> Path:
    """Write `folder/NAME.json` whole or not at all; returns its path."""
    path = folder / f"{result.name}.json"
    write_text(path, result.model_dump_json(indent=1) + "\n")
    return path
