"""The stages of alignment, each spelt once: its name and where its inputs come from.

To add a stage, add it here, and its steps to `StagesConfig` under the same name.
"""

from dataclasses import dataclass
from typing import Literal

Inputs = Literal["paired", "low_quality"]
"""paired: crops of photos with their degradation (`training_pair`); low_quality: photos as they are, without a ground
truth (`low_quality_input`)."""


@dataclass(frozen=True)
class Stage:
    """One stage of a run."""

    name: str
    """Field of `StagesConfig`; names the stage in the ledger, in seeds, in clocks and in metrics."""
    title: str
    inputs: Inputs

    @property
    def has_ground_truth(self) -> bool:
        return self.inputs == "paired"


COLD_START = Stage("cold_start", "Cold start", "paired")
FR_RL = Stage("fr_rl", "FR-RL", "paired")
NR_RL = Stage("nr_rl", "NR-RL", "low_quality")

RL_STAGES = (FR_RL, NR_RL)
"""In the order in which a run goes through them; both train the same LoRA."""
STAGES = (COLD_START, *RL_STAGES)
