"""What judge and metrics say of pictures that people have scored. Both see the pictures whole."""

from collections.abc import Callable, Sequence
from math import nan

import numpy as np

from oars.compass.judge import Judge
from oars.evaluation.benchmark_files import BadBenchmark
from oars.evaluation.rated import Rated
from oars.evaluation.scored import ScoredGroup, Values, rated_group
from oars.imaging.image_io import read_image
from oars.metrics.measured import lower_is_better_of, measured
from oars.names import printable


def scored(groups: Sequence[Rated], judge: Judge, told: Callable[[int, int], None]) -> list[ScoredGroup]:
    """Every group as the judge reads it and metrics measure it; `told(done, total)`. Raises BadBenchmark, BadImage."""
    found: list[ScoredGroup] = []
    for group in groups:
        found.append(_scored(group, judge))
        told(len(found), len(groups))
    return found


def _scored(group: Rated, judge: Judge) -> ScoredGroup:
    lr, pictures = read_image(group.lr), [read_image(file) for file in group.files]
    gt = read_image(group.gt) if group.gt is not None else None
    for file, picture in zip(group.files, pictures, strict=True):
        if gt is not None and picture.shape != gt.shape:
            raise BadBenchmark(f"{printable(file)}: its size is not that of {printable(str(group.gt))}")
    readings = [judge.score(lr, picture[None])[0] for picture in pictures]
    metrics = _columns([measured(picture, gt, ()) for picture in pictures])
    return rated_group(group.name, group.candidates, group.families, readings, metrics, group.scores)


def _columns(rows: list[dict[str, float]]) -> dict[str, Values]:
    """Signed so that higher is better; NaN where a picture lacks the metric."""
    lower, names = lower_is_better_of(()), dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, nan) for row in rows]) * (-1 if name in lower else 1) for name in names}
