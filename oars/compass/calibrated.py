"""A stock judge's readings on the scale of labels: one monotone map for quality and one for fidelity.

A chat model that was never fine-tuned orders pictures, but on a scale of its own. Isotonic regression of the labels on
its readings says what a reading stands for; between the means of its blocks the map is linear, so that two different
readings stay different (centred isotonic regression, Oron and Flournoy 2017). Outside the readings that it was fitted
on it is constant. It is kept as a JSON file, and belongs to the one checkpoint and prompt version that gave the
readings.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oars.compass.outcome import Failed, Judged
from oars.errors import UserError, naming
from oars.files import sha256
from oars.json_files import read_json

Values = NDArray[np.float64]
MIN_LABELS = 8
"""Labels below which a map would follow noise (ours)."""


class BadCalibration(UserError, ValueError):
    """A calibration that cannot be read, made, or used with this judge; the message is one line."""


class Basis(StrEnum):
    """What stands behind a judge's scale."""

    FINE_TUNED = "fine-tuned"
    CALIBRATED = "zero-shot, calibrated"
    UNCALIBRATED = "zero-shot, uncalibrated"


class MonotoneMap(BaseModel):
    """Knots of a function that never falls: readings, strictly ascending, and what they stand for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    readings: tuple[float, ...] = Field(min_length=1)
    labels: tuple[float, ...] = Field(min_length=1)

    @classmethod
    def fit(cls, readings: Values, labels: Values) -> Self:
        """Of readings and labels [N], N at least `MIN_LABELS`. Raises BadCalibration."""
        from sklearn.isotonic import IsotonicRegression

        if len(labels) < MIN_LABELS:
            raise BadCalibration(f"{len(labels)} labels, a calibration needs {MIN_LABELS}")
        fitted = IsotonicRegression().fit_transform(readings, labels)
        levels = np.unique(fitted)
        centres = [float(readings[fitted == level].mean()) for level in levels]
        return cls(readings=tuple(centres), labels=tuple(map(float, levels)))

    def __call__(self, reading: float) -> float:
        return float(np.interp(reading, self.readings, self.labels))


class Calibration(BaseModel):
    """The file that `oars compass calibrate` writes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    judge_digest: str
    """SHA-256 of the checkpoint whose readings were fitted."""
    prompt_version: str
    data_digest: str
    """Of the labelled data set."""
    groups: int
    quality: MonotoneMap
    """Q, 1 to 5, of inputs and outputs alike."""
    fidelity: MonotoneMap
    """F, 0 to 1."""
    labels: dict[str, float] | None = None
    """The scale of the data's F labels, as beside a trained judge: FR-RL measures F on it."""

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises BadCalibration naming the file."""
        with naming("judge.calibration", BadCalibration):
            return read_json(file, cls, BadCalibration)

    def apply(self, outcome: Judged | Failed) -> Judged | Failed:
        """The outcome with F, Q_LR and Q_SR mapped."""
        if isinstance(outcome, Failed):
            return outcome
        read = outcome.readings
        qualities = {name: self.quality(read[name]) for name in ("q_lr", "q_sr")}
        return Judged(readings=read | qualities | {"fidelity": self.fidelity(read["fidelity"])})


@dataclass(frozen=True)
class Scale:
    """The scale of a judge's readings; a judge that is a class has its own, and none of these."""

    basis: Basis | None = None
    calibration: Calibration | None = None
    digest: str | None = None
    """SHA-256 of the calibration's file."""

    @classmethod
    def of(cls, fine_tuned: bool, judge_digest: str | None, file: Path | None) -> Self:
        """`judge_digest` None: a checkpoint that is not on this machine. Raises BadCalibration if `file` cannot be
        read, or was made for another judge."""
        if file is None:
            return cls(Basis.FINE_TUNED if fine_tuned else Basis.UNCALIBRATED)
        calibration = Calibration.read(file)
        if judge_digest not in (None, calibration.judge_digest):
            raise BadCalibration(
                f"judge.calibration: {file} was fitted to the judge {calibration.judge_digest[:12]}, this is "
                f"{str(judge_digest)[:12]}: run `oars compass calibrate` again"
            )
        return cls(Basis.FINE_TUNED if fine_tuned else Basis.CALIBRATED, calibration, sha256(file))

    def apply(self, outcome: Judged | Failed) -> Judged | Failed:
        return self.calibration.apply(outcome) if self.calibration else outcome
