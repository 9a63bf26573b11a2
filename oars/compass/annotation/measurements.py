"""Everything that annotation measures of a picture, once: metrics against GT, metrics without, and trunk features.

The input counts as a picture too: its bicubic view at the output's size, under the enhancer name "".
"""

from math import nan

import numpy as np
from numpy.typing import NDArray

from oars.compass.annotation.labels import colour_error, structure_error
from oars.compass.data.dataset import CuratedGroup
from oars.compass.data.tables import LR, Row
from oars.compass.views import lr_view
from oars.metrics.dists import dists_batch
from oars.metrics.no_reference import MIN_SIDE
from oars.metrics.panel import no_reference
from oars.metrics.perceptual import cvvdp_batch, stlpips_batch, trunk_features
from oars.metrics.pixel import psnr, ssim

Pixels = NDArray[np.uint8]


def measure_group(group: CuratedGroup, use_dists: bool = False) -> list[Row]:
    """Rows of the measurements table: the input first, then its transitions."""
    images = np.stack([lr_view(group.lr, *group.sr.shape[1:3]), *group.sr])
    rows: list[Row] = [{"input_id": group.input_id, "enhancer": name} for name in (LR, *group.enhancers)]
    columns = _without_reference(images)
    if group.gt is not None:
        columns |= _against(images, group.gt)
        if use_dists:
            columns["dists"] = dists_batch(images, np.broadcast_to(group.gt, images.shape)).tolist()
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    for row, features in zip(rows, trunk_features(images), strict=True):
        row["features"] = features.tolist()
    return rows


def _against(images: Pixels, gt: Pixels) -> dict[str, list[float]]:
    truths = np.broadcast_to(gt, images.shape)
    return {
        "stlpips": stlpips_batch(images, gt[None]).tolist(),
        "cvvdp": cvvdp_batch(images, truths).tolist(),
        "psnr": [psnr(image, gt) for image in images],
        "ssim": [ssim(image, gt) for image in images],
        "structure": [structure_error(image, gt) for image in images],
        "colour": [colour_error(image, gt) for image in images],
    }


def _without_reference(images: Pixels) -> dict[str, list[float]]:
    """Empty for pictures too small for the metrics; a value that is not finite (a flat picture) is null."""
    if min(images.shape[1:3]) < MIN_SIDE:
        return {}
    with np.errstate(all="ignore"):
        rows = [no_reference(image) for image in images]
    return {name: [row[name] if np.isfinite(row[name]) else nan for row in rows] for name in ("niqe32", "brisque")}
