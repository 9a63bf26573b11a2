"""The stages of alignment, each spelt once: its name, where its inputs come from, whether they have a ground truth.

To add a stage, add it here and its steps to `StagesConfig` under the same name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oars.config.run import DataConfig
from oars.imaging.crops import Pair, low_quality_input, training_pair
from oars.imaging.photos import Photo


@dataclass(frozen=True)
class Stage:
    """One stage of a run."""

    name: str
    """Field of `StagesConfig`; names the stage in the ledger, in seeds, in clocks and in metrics."""
    title: str
    inputs: Callable[[Sequence[Photo], DataConfig, int, int], Pair]
    """(photos, data, seed, index) -> input number `index`."""
    has_ground_truth: bool


COLD_START = Stage("cold_start", "Cold start", training_pair, has_ground_truth=True)
FR_RL = Stage("fr_rl", "FR-RL", training_pair, has_ground_truth=True)
NR_RL = Stage("nr_rl", "NR-RL", low_quality_input, has_ground_truth=False)

RL_STAGES = (FR_RL, NR_RL)
"""In the order in which a run goes through them; both train the same LoRA."""
STAGES = (COLD_START, *RL_STAGES)
