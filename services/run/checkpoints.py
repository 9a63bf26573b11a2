"""The checkpoints of one run: `checkpoints/step_N` of RL, `checkpoints/cold_start_N`. Each is whole or not there."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Phase = Literal["cold_start", "step"]


@dataclass(frozen=True)
class Checkpoints:
    """`kept` of a phase stay on disk."""

    directory: Path
    kept: int

    def path(self, phase: Phase, step: int) -> Path:
        return self.directory / f"{phase}_{step}"

    def newest(self, phase: Phase) -> Path | None:
        found = self._steps(phase)
        return self.path(phase, found[-1]) if found else None

    def prune(self, phase: Phase, keep: int | None = None) -> None:
        """Delete the older ones."""
        steps = self._steps(phase)
        for step in steps[: len(steps) - (self.kept if keep is None else keep)]:
            shutil.rmtree(self.path(phase, step))

    def _steps(self, phase: Phase) -> list[int]:
        names = [path.name.removeprefix(f"{phase}_") for path in self.directory.glob(f"{phase}_*")]
        return sorted(int(name) for name in names if name.isdigit())
