"""The three stages of annotation as functions of rows: anchors, comparisons, labels. No clock, no files, no Ray.

Stage 1 says how good each picture is by itself, 1..5. Stage 2 says of every pair of one group's outputs how likely the
first looks better. Stage 3 aggregates the pairs into ranks and lays them on the anchors' scale. Stages read only the
tables of earlier ones, so each can be looked at, and done again, alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from oars.compass.annotation.calibration import Calibration, calibrate, overruled
from oars.compass.annotation.evidence import (
    Measured,
    Scale,
    measured_quality,
    measured_score,
    predicted_quality,
    predicted_score,
)
from oars.compass.annotation.ranking import aggregate, to_unit
from oars.compass.data.tables import LR, METRICS, Row
from oars.config.annotation import AnnotationConfig

Values = NDArray[np.float64]


def anchor_rows(group: Measured, scale: Scale, source: str) -> list[Row]:
    """Stage 1 by metrics: `measured` against GT where there is one, `predicted` from the picture alone otherwise."""
    if group.errors is not None and source == "measured":
        anchors, told = measured_quality(group, scale), "measured"
    else:
        anchors, told = predicted_quality(group, scale), "predicted"
    return [
        {"input_id": group.input_id, "enhancer": name, "anchor": float(anchor), "anchor_source": told}
        for name, anchor in zip(group.enhancers, anchors, strict=True)
    ]


def comparison_rows(group: Measured, scale: Scale, measured: bool = True) -> list[Row]:
    """Stage 2 by metrics: all pairs of the group's outputs; against GT where there is one, if `measured`."""
    if group.errors is not None and measured:
        scores, temperature, told = measured_score(group, scale), scale.measured_temperature, "measured"
    else:
        scores, temperature, told = predicted_score(group, scale), scale.predicted_temperature, "predicted"
    by_name = dict(zip(group.enhancers, scores, strict=True))
    return [
        {
            "input_id": group.input_id,
            "first": first,
            "second": second,
            "p_first": float(expit((by_name[first] - by_name[second]) / temperature)),
            "source": told,
        }
        for first, second in pairs(group.enhancers)
    ]


def answered(rows: Sequence[Row], answers: Sequence[Row], column: str, told: str) -> list[Row]:
    """`rows` of a stage by metrics, with a model's answers (`value`) in `column` wherever it gave a readable one.

    The column that says where a value is from becomes `vlm` there, and stays `predicted` elsewhere.
    """
    keys = [key for key in ("input_id", "enhancer", "first", "second") if key in rows[0]]
    said = {tuple(answer[key] for key in keys): answer["value"] for answer in answers if answer["value"] is not None}
    return [
        row | ({column: float(said[key]), told: "vlm"} if (key := tuple(row[k] for k in keys)) in said else {})
        for row in rows
    ]


def pairs(enhancers: Sequence[str]) -> list[tuple[str, str]]:
    """All pairs of outputs, names in order; the input is not compared."""
    return list(combinations(sorted(name for name in enhancers if name != LR), 2))


@dataclass(frozen=True)
class Labelled:
    """Stage 3 of one group: rows of the tables `labels` and `groups`, and how ranks and anchors met."""

    labels: list[Row]
    group: Row
    calibration: Calibration


def label(
    group: Measured,
    anchors: dict[str, float],
    comparisons: Sequence[Row],
    fidelity: Values | None,
    config: AnnotationConfig,
    verdicts: dict[str, str],
) -> Labelled:
    """`anchors` by enhancer; `fidelity` [1 + K] or None without GT; `verdicts` of a person by input."""
    names = [name for name in group.enhancers if name != LR]
    ranks = to_unit(aggregate(win_matrix(names, comparisons), config.aggregation, config.prior))
    told = np.array([anchors[name] for name in names])
    calibration = overruled(calibrate(ranks, told, config.max_conflict), verdicts, group.input_id)
    qualities = [float(np.clip(anchors[LR], 1, 5)), *calibration.quality(ranks, told)]
    rows = [
        {
            "input_id": group.input_id,
            "enhancer": name,
            "rank": None if name == LR else float(ranks[names.index(name)]),
            "anchor": anchors[name],
            "q": float(quality),
            "fidelity": None if fidelity is None else float(fidelity[i]),
            **{metric: _known(group.metrics[metric][i]) for metric in METRICS},
        }
        for i, (name, quality) in enumerate(zip(group.enhancers, qualities, strict=True))
    ]
    verdict = {
        "input_id": group.input_id,
        "alpha": _known(calibration.alpha),
        "beta": _known(calibration.beta),
        "kept": calibration.verdict.kept,
        "reason": str(calibration.verdict),
    }
    return Labelled(rows, verdict, calibration)


def win_matrix(names: Sequence[str], comparisons: Sequence[Row]) -> Values:
    """[K, K]: probability that the row's picture looks better than the column's; both 0 without a comparison."""
    index = {name: i for i, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    for row in comparisons:
        i, j = index[row["first"]], index[row["second"]]
        wins[i, j], wins[j, i] = row["p_first"], 1 - row["p_first"]
    return wins


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
