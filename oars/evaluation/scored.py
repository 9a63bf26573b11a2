"""Groups with everything that an evaluation compares: what the judge read, what the labels say, what metrics measured.

A `ScoredGroup` is what pair accuracies, correlations and calibration are computed from; pictures stay in the data set.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oars.compass.data.dataset import Group
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge, Readings
from oars.metrics.panel import HIGHER_IS_BETTER

Values = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredGroup:
    """One LR with its K candidates; arrays are float64 [K], labels NaN where there are none that can be trusted."""

    input_id: str
    photo: str
    strength: float
    enhancers: tuple[str, ...]
    families: tuple[str, ...]
    fidelity: Values
    q_lr: float
    q_sr: Values
    mass: float
    """Least confidence of the group."""
    told_fidelity: Values
    told_q_lr: float
    told_q_sr: Values
    metrics: dict[str, Values]
    """Signed so that higher is better."""
    opinions: Values | None = None
    """People's mean scores, higher is better, if there are any."""

    def rewards(self, gamma: float) -> Values:
        """R of each candidate, as read."""
        return np.array([compass_reward(f, self.q_lr, q, gamma) for f, q in zip(self.fidelity, self.q_sr, strict=True)])


def scored_group(group: Group, judge: Judge) -> ScoredGroup:
    """Let the judge read a group of a data set.

    Quality labels that the annotation did not keep are no labels: where ranks and anchors contradict each other, the
    calibrated order can be the reverse of the compared one.
    """
    readings, trusted = judge.score(group.lr, group.sr), 1.0 if group.kept else np.nan
    return ScoredGroup(
        input_id=group.input_id,
        photo=group.photo,
        strength=group.strength,
        enhancers=group.enhancers,
        families=tuple(group.families),
        fidelity=_column(readings, "fidelity"),
        q_lr=readings[0].q_lr,
        q_sr=_column(readings, "q_sr"),
        mass=min(reading.confidence.share for reading in readings),
        told_fidelity=group.fidelity,
        told_q_lr=group.q_lr * trusted,
        told_q_sr=group.q * trusted,
        metrics=signed(group.metrics),
    )


def rated_group(
    name: str,
    candidates: tuple[str, ...],
    families: tuple[str, ...],
    readings: list[Readings],
    metrics: dict[str, Values],
    opinions: Sequence[float],
) -> ScoredGroup:
    """Pictures that people scored: an input without strength or labels, which is its own photo."""
    unknown = np.full(len(readings), np.nan)
    return ScoredGroup(
        input_id=name,
        photo=name,
        strength=np.nan,
        enhancers=candidates,
        families=families,
        fidelity=_column(readings, "fidelity"),
        q_lr=readings[0].q_lr,
        q_sr=_column(readings, "q_sr"),
        mass=min(reading.confidence.share for reading in readings),
        told_fidelity=unknown,
        told_q_lr=np.nan,
        told_q_sr=unknown,
        metrics=metrics,
        opinions=np.array(opinions),
    )


def scored_groups(
    groups: Iterable[Group], judge: Judge, told: Callable[[int], None] = lambda done: None
) -> list[ScoredGroup]:
    """Score all groups; `told` receives the number done."""
    scored: list[ScoredGroup] = []
    for group in groups:
        scored.append(scored_group(group, judge))
        told(len(scored))
    return scored


def signed(metrics: dict[str, Values]) -> dict[str, Values]:
    """Negated where lower is better."""
    return {name: values if HIGHER_IS_BETTER[name] else -values for name, values in metrics.items()}


def _column(readings: list[Readings], name: str) -> Values:
    return np.array([getattr(reading, name) for reading in readings], np.float64)
