"""labels.json: how the labels of a data set came about, with the figures that say how far to trust them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from oars.compass.annotation.evidence import (
    Measured,
    Scale,
    measured_quality,
    measured_score,
    predicted_quality,
    predicted_score,
)
from oars.compass.annotation.fidelity_labels import FidelityMap
from oars.compass.annotation.regression import CrossFitted
from oars.compass.annotation.stages import Labelled
from oars.compass.data.dataset import LABELS_VERSION
from oars.config.annotation import AnnotationConfig

Values = NDArray[np.float64]


def labels_record(
    config: AnnotationConfig,
    digests: tuple[str, str],
    scale: Scale,
    fidelity: FidelityMap,
    groups: Sequence[Measured],
    labelled: Sequence[Labelled],
) -> dict[str, object]:
    """`digests`: of the manifest that was labelled, and of the tables `labels` and `groups`."""
    calibrations = [one.calibration for one in labelled]
    return {
        "schema_version": LABELS_VERSION,
        "manifest_digest": digests[0],
        "digest": digests[1],
        "config": config.model_dump(mode="json"),
        "aggregation": config.aggregation,
        "fidelity": fidelity.record(),
        "quality_bounds": asdict(scale.labels),
        "anchor_model": _fitted(scale.level),
        "comparator_model": _fitted(scale.preference),
        "temperatures": {"measured": scale.measured_temperature, "predicted": scale.predicted_temperature},
        "predicted_against_measured": {
            split: _agreement(scale, [group for group in groups if group.split == split])
            for split in ("train", "validation", "evaluation")
        },
        "groups": dict(Counter(str(calibration.verdict) for calibration in calibrations)),
        "median_alpha": float(np.nanmedian([calibration.alpha for calibration in calibrations])),
        "median_conflict": float(np.median([calibration.conflict for calibration in calibrations])),
    }


def _fitted(model: CrossFitted) -> dict[str, float]:
    return {"penalty": model.penalty, "correlation_on_unseen_photos": model.correlation}


def _agreement(scale: Scale, groups: Sequence[Measured]) -> dict[str, float]:
    """Agreement of values predicted from a picture alone with measured ones, on photos outside the fit."""
    known = [group for group in groups if group.errors is not None]
    if not known:
        return {}
    measured = np.concatenate([measured_quality(group, scale) for group in known])
    predicted = np.concatenate([predicted_quality(group, scale) for group in known])
    right = [
        (told[i] > told[j]) == (guess[i] > guess[j])
        for group in known
        for told, guess in [(measured_score(group, scale)[1:], predicted_score(group, scale)[1:])]
        for i, j in combinations(range(len(told)), 2)
    ]
    return {
        "pictures": float(len(measured)),
        "anchor_correlation": float(np.corrcoef(measured, predicted)[0, 1]),
        "anchor_mean_error": float(np.abs(measured - predicted).mean()),
        "pair_accuracy": float(np.mean(right)),
    }
