"""`oars compass calibrate`: fits the map from a stock judge's readings to the labels of a small data set.

Quality is fitted on inputs and outputs together, because one prompt asks of both. Labels that the annotation did not
keep are left out. The photos of the split `evaluation` are never fitted, so `oars compass eval` stays a fair test.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from oars.compass.calibrated import BadCalibration, Calibration, MonotoneMap
from oars.compass.data.dataset import BadDataset, fidelity_bounds, read_groups, read_manifest
from oars.compass.judge import Judge
from oars.config import JudgeConfig
from oars.errors import naming
from oars.evaluation.scored import ScoredGroup, scored_groups
from reward_server.checkpoint import judge_digest, judge_directory
from services.run.progress import Progress, ProgressLine

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A calibration, and what it changed in words."""

    calibration: Calibration
    lines: tuple[str, str]


def fit_calibration(judge: str, data: Path, split: Literal["train", "validation"], progress: Progress) -> Fitted:
    """Raises BadJudge, BadPrompts, BadDataset, BadCalibration."""
    directory, manifest = judge_directory(judge), read_manifest(data)
    groups = list(read_groups(data, split))
    if not groups:
        raise BadDataset(f"{data}: no {split} groups")
    reader = Judge.load(directory)
    read = scored_groups(groups, reader, lambda done: progress.update(ProgressLine("judge", done, len(groups))))
    _check_answers(read)
    quality, fidelity = _quality(read), _fidelity(read)
    fitted = Calibration(
        judge_digest=judge_digest(directory),
        prompt_version=reader.prompts.version.name,
        data_digest=manifest.digest,
        groups=len(groups),
        quality=_fit("Q", *quality),
        fidelity=_fit("F", *fidelity),
        labels=fidelity_bounds(data),
    )
    return Fitted(fitted, (_line("Q", fitted.quality, *quality), _line("F", fitted.fidelity, *fidelity)))


def _check_answers(read: list[ScoredGroup]) -> None:
    """Raises BadCalibration if the judge does not answer as it is asked: there is nothing to map."""
    mean, least = float(np.mean([group.mass for group in read])), JudgeConfig().min_confidence
    if not mean >= least:
        raise BadCalibration(
            f"the judge puts {mean:.3f} of the probability on the digits and letters that it is asked for, wanted "
            f"{least}: fine-tune it with `oars compass train`, or take another chat model"
        )


def _quality(read: list[ScoredGroup]) -> tuple[Values, Values]:
    """Readings and labels [N], of inputs and outputs."""
    return (
        np.concatenate([[group.q_lr, *group.q_sr] for group in read]),
        np.concatenate([[group.told_q_lr, *group.told_q_sr] for group in read]),
    )


def _fidelity(read: list[ScoredGroup]) -> tuple[Values, Values]:
    return np.concatenate([group.fidelity for group in read]), np.concatenate([group.told_fidelity for group in read])


def _fit(name: str, readings: Values, labels: Values) -> MonotoneMap:
    labelled = np.isfinite(labels)
    with naming(name, BadCalibration):
        return MonotoneMap.fit(readings[labelled], labels[labelled])


def _line(name: str, fitted: MonotoneMap, readings: Values, labels: Values) -> str:
    labelled = np.isfinite(labels)
    told, raw = labels[labelled], readings[labelled]
    mapped = np.array([fitted(value) for value in raw])
    before, after = (float(np.abs(values - told).mean()) for values in (raw, mapped))
    return f"{name}: {len(told)} labels, mean error {before:.3f} as read, {after:.3f} calibrated"
