"""The measurements of a whole data set as arrays, and what is fitted on them: the scale of F and Q, and how pictures
without a GT are judged.

Everything is fitted on inputs of the train split that have a GT. Quality against GT is `LabelMap.quality` of the
measured errors: half ColorVideoVDP (in JOD, an absolute scale from people's ratings), half ST-LPIPS (trained on
people's choices), each a ramp from perfect to the training set's 95th percentile.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oars.compass.annotation.labels import PERFECT_JOD, Errors, LabelMap
from oars.compass.annotation.regression import CrossFitted, fit
from oars.compass.data.dataset import BadDataset
from oars.compass.data.tables import METRICS, Row

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """One group's measurements, [1 + K], the input first; errors are None without a GT."""

    input_id: str
    photo: str
    split: str
    enhancers: tuple[str, ...]
    """The first is "", the input."""
    features: Values
    """[1 + K, D]"""
    errors: Errors | None
    dists: Values | None
    metrics: dict[str, Values]
    """Each of tables.METRICS; NaN where it could not be measured."""


@dataclass(frozen=True)
class Scale:
    """Fitted once a data set, kept in labels.json."""

    labels: LabelMap
    level: CrossFitted
    """Features of a picture -> its quality, 1..5."""
    preference: CrossFitted
    """Features, centred in their group -> the comparator's score, centred in its group."""
    weights: tuple[float, float]
    """Weights of ST-LPIPS and ColorVideoVDP in the comparator's score."""
    measured_temperature: float
    predicted_temperature: float
    """Score difference that is worth one unit of the logistic."""


def read_measured(rows: Sequence[Row], inputs: Sequence[Row]) -> list[Measured]:
    """The groups of one shard out of its tables `measurements` and `inputs`, in the order of `inputs`."""
    by_group: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_group[row["input_id"]].append(row)
    return [_measured(by_group[entry["input_id"]], entry) for entry in inputs]


def _measured(rows: list[Row], entry: Row) -> Measured:
    column = lambda name: np.array([np.nan if row[name] is None else row[name] for row in rows], np.float64)  # noqa: E731
    return Measured(
        input_id=entry["input_id"],
        photo=entry["photo"],
        split=entry["split"],
        enhancers=tuple(row["enhancer"] for row in rows),
        features=np.array([row["features"] for row in rows], np.float64),
        errors=_errors(rows),
        dists=None if rows[0]["dists"] is None else column("dists"),
        metrics={name: column(name) for name in METRICS},
    )


def _errors(rows: Sequence[Row]) -> Errors | None:
    if rows[0]["stlpips"] is None:
        return None
    column = lambda name: np.array([row[name] for row in rows], np.float32)  # noqa: E731
    return Errors(column("stlpips"), column("structure"), column("colour"), column("cvvdp"), column("stlpips"))


def measured_quality(group: Measured, scale: Scale) -> Values:
    """1..5 against GT, [1 + K]."""
    assert group.errors is not None
    return scale.labels.quality(group.errors).astype(np.float64)


def predicted_quality(group: Measured, scale: Scale) -> Values:
    """1..5 from each picture alone, [1 + K], by a model that has not seen the photo."""
    return np.clip(scale.level.predict(group.features, [group.photo] * len(group.features)), 1, 5)


def measured_score(group: Measured, scale: Scale) -> Values:
    """The comparator's score against GT, [1 + K]: higher looks better."""
    assert group.errors is not None
    return _score(group.errors, scale.labels, scale.weights)


def predicted_score(group: Measured, scale: Scale) -> Values:
    """The comparator's score from the pictures alone, [1 + K]; only differences inside the group mean anything."""
    return scale.preference.predict(group.features, [group.photo] * len(group.features))


def _score(errors: Errors, labels: LabelMap, weights: tuple[float, float]) -> Values:
    """Both metrics on the scale of their fitted ramps, not clipped, so that nothing ties."""
    lost = weights[0] * errors.stlpips / labels.stlpips
    lost = lost + weights[1] * (PERFECT_JOD - errors.jod) / (PERFECT_JOD - labels.jod)
    return -np.asarray(lost, np.float64)


def fit_scale(groups: Sequence[Measured], weights: tuple[float, float]) -> Scale:
    """Raises BadDataset if no train input has a GT, or all are of one photo."""
    train = [group for group in groups if group.split == "train" and group.errors is not None]
    if len({group.photo for group in train}) < 2:
        raise BadDataset("annotation by metrics needs synthetic train inputs of two photos or more to fit its scale on")
    errors = [group.errors for group in train if group.errors is not None]
    labels = LabelMap.fit(Errors.concatenate(errors))
    scores = [_score(e, labels, weights) for e in errors]
    pictures = [name for group in train for name in [group.photo] * len(group.enhancers)]
    features = np.concatenate([group.features for group in train])
    qualities = np.concatenate([labels.quality(e) for e in errors]).astype(np.float64)
    level = fit(features, qualities, pictures)
    centred = np.concatenate([group.features - group.features.mean(0) for group in train])
    preference = fit(centred, np.concatenate([score - score.mean() for score in scores]), pictures)
    predicted = [preference.predict(group.features, [group.photo] * len(group.features)) for group in train]
    return Scale(labels, level, preference, weights, _temperature(scores), _temperature(predicted))


def _temperature(scores: Sequence[Values]) -> float:
    """The median pair of one group is decided with a probability of 3/4 (ours)."""
    gaps = [np.abs(score[:, None] - score[None, :])[np.triu_indices(len(score), 1)] for score in scores]
    return max(float(np.median(np.concatenate(gaps))), 1e-6) / float(np.log(3))
