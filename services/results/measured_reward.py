"""FR-RL's own reward of held-out outputs, with F measured against the ground truth, beside that of the judge's F.

FR-RL climbs this one. Where it rises and the judge's does not, FR-RL worked and the judge sees otherwise.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from oars.compass.annotation.fidelity_labels import FidelityMap
from oars.compass.outcome import Judged, Scored
from oars.compass.reward import Reward
from oars.config import RunConfig
from services.control.measured_fidelity import FIDELITY, fidelity_is_measured, judge_labels, measured_fidelity

Pixels = NDArray[np.uint8]

MEASURED_FIDELITY, MEASURED_REWARD = "measured_fidelity", "measured_reward"


@dataclass(frozen=True)
class MeasuredReward:
    """How a run's FR-RL makes its reward."""

    reward: Reward
    labels: FidelityMap

    @classmethod
    def of(cls, config: RunConfig) -> Self | None:
        """None where FR-RL measures no F. Raises what Reward.load and judge_labels raise."""
        reward = Reward.load(config.reward.function, config.reward.parameters)
        return cls(reward, judge_labels(config.judge)) if fidelity_is_measured(config, reward) else None

    def fidelity(self, image: Pixels, gt: Pixels) -> dict[str, float]:
        """F in [0, 1] of one output against its ground truth, both uint8 [H, W, 3]."""
        return {MEASURED_FIDELITY: measured_fidelity(image[None], gt, self.labels)[0]}

    def of_readings(self, readings: dict[str, float], fidelity: float) -> dict[str, float]:
        """R with this F in the place of the one that was read; empty where it is no finite number."""
        outcome = self.reward.score(Judged(readings=readings), {FIDELITY: fidelity})
        return {MEASURED_REWARD: outcome.reward} if isinstance(outcome, Scored) else {}
