"""The checkpoints of one run: `checkpoints/step_N` of RL, `checkpoints/cold_start_N`. Each was written whole or not at
all; one that a disk has damaged since is set aside as `step_N.damaged`, and the one before it serves."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Phase = Literal["cold_start", "step"]
_DAMAGED = ".damaged"


@dataclass(frozen=True)
class Checkpoints:
    """`kept` of a phase stay on disk."""

    directory: Path
    kept: int

    def path(self, phase: Phase, step: int) -> Path:
        return self.directory / f"{phase}_{step}"

    def newest(self, phase: Phase) -> Path | None:
        found = self.steps(phase)
        return self.path(phase, found[-1]) if found else None

    def secured(self) -> int:
        """The step of the oldest RL checkpoint, once there are as many as are kept; 0 before. No resume goes back
        behind it."""
        steps = self.steps("step")
        return steps[-self.kept] if len(steps) >= self.kept else 0

    def set_aside(self, path: Path) -> Path:
        """Rename a damaged one, so that it is not found any more; `prune` deletes it. Returns where it is."""
        aside = path.with_name(path.name + _DAMAGED)
        shutil.rmtree(aside, ignore_errors=True)
        return path.rename(aside)

    def prune(self, phase: Phase, keep: int | None = None) -> None:
        """Delete the older ones, and the damaged ones."""
        steps = self.steps(phase)
        for step in steps[: len(steps) - (self.kept if keep is None else keep)]:
            shutil.rmtree(self.path(phase, step))
        for damaged in self.directory.glob(f"{phase}_*{_DAMAGED}"):
            shutil.rmtree(damaged)

    def steps(self, phase: Phase) -> list[int]:
        """Steps of the checkpoints that are there, in order."""
        names = [path.name.removeprefix(f"{phase}_") for path in self.directory.glob(f"{phase}_*")]
        return sorted(int(name) for name in names if name.isdigit())
