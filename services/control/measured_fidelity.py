"""FR-RL's fidelity: measured against GT, on the scale that the judge was trained on (instead of predicted by it)."""

import json

import numpy as np
import torch
from numpy.typing import NDArray

from oars.compass.annotation.labels import Errors, LabelMap, colour_error, structure_error
from oars.compass.training.files import JUDGE_LABELS
from oars.metrics.perceptual import stlpips_batch
from oars.miniature import MissingModel, resolve_model

Pixels = NDArray[np.uint8]


def judge_labels(path: str) -> LabelMap:
    """The label map stored with the judge. Raises MissingModel naming the file."""
    file = resolve_model(path, "judge") / JUDGE_LABELS
    if not file.is_file():
        raise MissingModel(f"judge: {file} is missing: FR-RL needs the scale of its fidelity labels")
    return LabelMap(**json.loads(file.read_text()))


def measured_fidelity(images: Pixels, gt: Pixels, labels: LabelMap) -> list[float]:
    """F in [0, 1] of candidates uint8 [K, H, W, 3] against their GT uint8 [H, W, 3]. Runs as a Ray task."""
    torch.set_num_threads(1)
    unknown = np.full(len(images), np.nan, np.float32)
    errors = Errors(
        stlpips=stlpips_batch(images, gt[None]),
        structure=np.array([structure_error(image, gt) for image in images], np.float32),
        colour=np.array([colour_error(image, gt) for image in images], np.float32),
        # The two errors that only the quality label reads.
        jod=unknown,
        depicted_stlpips=unknown,
    )
    return [float(value) for value in labels.fidelity(errors)]
