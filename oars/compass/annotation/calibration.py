"""Stage 3: a group's ranks and anchors to one quality each, Q = alpha * r + beta, and whether the two agree.

alpha = cov(r, Q) / var(r), beta = mean(Q) - alpha * mean(r), least squares against the group's anchors (paper). What
to do with alpha <= 0, and with a group whose ranks and anchors hardly correlate, is ours: drop it, and say so.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import nan

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Verdict(StrEnum):
    """Reason why a group is in the training data or not."""

    KEPT = "kept"
    ALPHA_NOT_POSITIVE = "alpha_not_positive"
    ANCHOR_CONFLICT = "anchor_conflict"
    RANKS_ALL_EQUAL = "ranks_all_equal"
    KEPT_BY_A_PERSON = "kept_by_a_person"
    DROPPED_BY_A_PERSON = "dropped_by_a_person"

    @property
    def kept(self) -> bool:
        return self in (Verdict.KEPT, Verdict.KEPT_BY_A_PERSON)


@dataclass(frozen=True)
class Calibration:
    """The calibration of one group. `conflict` is 1 - correlation of ranks and anchors: 0 agree, 1 unrelated, 2
    opposed."""

    alpha: float
    beta: float
    conflict: float
    verdict: Verdict

    def quality(self, ranks: Values, anchors: Values) -> Values:
        """Q in [1, 5], [K]; the anchors themselves where no line was fitted."""
        if np.isnan(self.alpha):
            return np.clip(anchors, 1, 5)
        return np.clip(self.alpha * ranks + self.beta, 1, 5)


def calibrate(ranks: Values, anchors: Values, max_conflict: float) -> Calibration:
    """`ranks` in [0, 1] and `anchors` in [1, 5], both [K]."""
    variance, covariance = float(np.var(ranks)), float(np.mean((ranks - ranks.mean()) * (anchors - anchors.mean())))
    if variance == 0:
        return Calibration(nan, nan, 1.0, Verdict.RANKS_ALL_EQUAL)
    alpha = covariance / variance
    beta = float(anchors.mean() - alpha * ranks.mean())
    spread = float(np.std(ranks) * np.std(anchors))
    conflict = 1 - covariance / spread if spread > 0 else 1.0
    if alpha <= 0:
        verdict = Verdict.ALPHA_NOT_POSITIVE
    else:
        verdict = Verdict.ANCHOR_CONFLICT if conflict > max_conflict else Verdict.KEPT
    return Calibration(alpha, beta, conflict, verdict)


def overruled(calibration: Calibration, verdicts: dict[str, str], input_id: str) -> Calibration:
    """Replace the rule's verdict by a person's, if there is one."""
    said = {"keep": Verdict.KEPT_BY_A_PERSON, "drop": Verdict.DROPPED_BY_A_PERSON}.get(verdicts.get(input_id, ""))
    if said is None:
        return calibration
    return Calibration(calibration.alpha, calibration.beta, calibration.conflict, said)
