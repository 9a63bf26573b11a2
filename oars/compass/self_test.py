"""Known transitions of a judge: what a server has to reproduce before it may call itself ready.

`self_test.json` beside the checkpoint names pictures by seed and the readings that the transformers forward pass gives
for them in float32. It is optional; a server compares within the file's tolerances, which leave room for bfloat16 and
for another kernel's rounding, and none for another checkpoint, prompt or preprocessing.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oars.compass.judge_card import prompt_version_of
from oars.files import write_text

FILE = "self_test.json"
SCALE, SIDE, CANDIDATES = 4, 128, 3
_CELL = 8
"""Pixels of one colour in a made-up picture: coarse enough to survive a reduction by SCALE."""
# Noise added to candidate k, in grey levels: the first is nearly faithful, the last is not.
_NOISE = (2, 24, 80)


class Known(BaseModel):
    """The readings of one transition."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    fidelity: float = Field(ge=0, le=1)
    q_lr: float = Field(ge=1, le=5)
    q_sr: float = Field(ge=1, le=5)


class SelfTest(BaseModel):
    """Groups by seed, with the readings of their candidates."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prompt_version: str
    fidelity_tolerance: float = Field(default=0.03, gt=0)
    quality_tolerance: float = Field(default=0.12, gt=0)
    """Both 3 % of their range."""
    groups: dict[int, tuple[Known, ...]]

    def fault(self, seed: int, read: list[Known]) -> str | None:
        """The error in a group's readings, if any; a missing reading is an error too."""
        known = self.groups[seed]
        if len(read) != len(known):
            return f"group {seed}: {len(read)} readings, expected {len(known)}"
        for k, (mine, theirs) in enumerate(zip(read, known, strict=True)):
            for name in Known.model_fields:
                tolerance = self.fidelity_tolerance if name == "fidelity" else self.quality_tolerance
                got, expected = getattr(mine, name), getattr(theirs, name)
                if not abs(got - expected) <= tolerance:
                    return f"group {seed}, candidate {k}: {name} is {got:.3f}, expected {expected:.3f}"
        return None


def pictures(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """LR uint8 [SIDE / SCALE, SIDE / SCALE, 3] and candidates uint8 [CANDIDATES, SIDE, SIDE, 3], by integers alone."""
    draw = np.random.default_rng(seed)
    cells = draw.integers(0, 256, (SIDE // _CELL, SIDE // _CELL, 3))
    truth = cells.repeat(_CELL, 0).repeat(_CELL, 1)
    noises = [draw.integers(-level, level + 1, truth.shape) for level in _NOISE]
    candidates = np.stack([np.clip(truth + noise, 0, 255) for noise in noises]).astype(np.uint8)
    return truth[::SCALE, ::SCALE].astype(np.uint8), candidates


def read_self_test(directory: Path) -> SelfTest | None:
    """None if the checkpoint brings none, or one for other prompts. Raises BadCard, or
    pydantic's ValidationError for a bad one."""
    path = directory / FILE
    if not path.is_file():
        return None
    test = SelfTest.model_validate_json(path.read_text())
    return test if test.prompt_version == prompt_version_of(directory).name else None


def write_self_test(directory: Path, seeds: tuple[int, ...] = (0, 1)) -> Path:
    """Read the known transitions with the transformers forward pass in float32, on a CPU, and write the file."""
    import torch

    from oars.compass.judge import Judge

    judge = Judge.load(directory, dtype=torch.float32, device="cpu")
    groups = {}
    for seed in seeds:
        readings = judge.score(*pictures(seed))
        groups[seed] = tuple(Known(fidelity=r.fidelity, q_lr=r.q_lr, q_sr=r.q_sr) for r in readings)
    path = directory / FILE
    write_text(
        path, SelfTest(prompt_version=judge.prompts.version.name, groups=groups).model_dump_json(indent=1) + "\n"
    )
    return path
