"""FR-RL's fidelity: measured against GT, by the measure that the judge's labels were made with, on their scale."""

import json

import numpy as np
import torch
from numpy.typing import NDArray

from oars.compass.annotation.fidelity_labels import FidelityMap
from oars.compass.annotation.labels import Errors, colour_error, structure_error
from oars.compass.calibrated import Calibration
from oars.compass.judge_card import JUDGE_LABELS
from oars.compass.reward import Reward
from oars.config import JudgeConfig, RunConfig
from oars.metrics.dists import dists_batch, require_dists
from oars.metrics.perceptual import stlpips_batch
from oars.miniature import resolve_model
from oars.model_files import MissingModel

Pixels = NDArray[np.uint8]


FIDELITY = "fidelity"


def fidelity_is_measured(config: RunConfig, reward: Reward) -> bool:
    """FR-RL alone has ground truths."""
    return FIDELITY in reward.takes and config.stages.fr_rl.steps > 0


def judge_labels(judge: JudgeConfig) -> FidelityMap:
    """The map by which the judge's F labels were made, or those that it was calibrated on. Raises MissingModel naming
    the file, BadCalibration, MissingWeights if it takes DISTS, which is not here."""
    labels = FidelityMap.beside(_scale(judge))
    if labels.source == "dists":
        require_dists()
    return labels


def _scale(judge: JudgeConfig) -> str:
    calibrated_on = Calibration.read(judge.calibration).labels if judge.calibration else None
    if calibrated_on is not None:
        return json.dumps(calibrated_on)
    file = resolve_model(judge.path, "judge") / JUDGE_LABELS
    if not file.is_file():
        raise MissingModel(
            f"judge: {file} is missing: FR-RL needs the scale of its fidelity labels; `oars compass calibrate` makes "
            "one for a stock judge, and stages.fr_rl.steps=0 needs none"
        )
    return file.read_text()


def measured_fidelity(images: Pixels, gt: Pixels, labels: FidelityMap) -> list[float]:
    """F in [0, 1] of candidates uint8 [K, H, W, 3] against their GT uint8 [H, W, 3], by the measure that the judge's
    labels were made with. Runs as a Ray task."""
    torch.set_num_threads(1)
    if labels.source == "metrics":
        return [float(value) for value in labels.labels.fidelity(_errors(images, gt))]
    distances = dists_batch(images, np.broadcast_to(gt, images.shape)).astype(np.float64)
    return [float(value) for value in labels.of_dists(distances)]


def _errors(images: Pixels, gt: Pixels) -> Errors:
    unknown = np.full(len(images), np.nan, np.float32)
    return Errors(
        stlpips=stlpips_batch(images, gt[None]),
        structure=np.array([structure_error(image, gt) for image in images], np.float32),
        colour=np.array([colour_error(image, gt) for image in images], np.float32),
        # The two errors that only the quality label reads.
        jod=unknown,
        depicted_stlpips=unknown,
    )
