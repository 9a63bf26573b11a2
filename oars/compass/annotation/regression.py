"""Ridge regression with the penalty chosen by cross-validation over photos, and predictions that never saw their photo.

It stands in for a no-reference judge of pictures (ours): features of a picture to what the metrics said against GT.
The features are first reduced to their leading components, which knows nothing of the targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

Values = NDArray[np.float64]

COMPONENTS = 256
"""Enough for all but a few per cent of the trunk features' variance; makes a fit a matter of seconds."""
PENALTIES = (1e1, 1e2, 1e3, 1e4, 1e5)
FOLDS = 5


@dataclass(frozen=True)
class CrossFitted:
    """One line through everything, and one a fold that has not seen the targets of the fold's photos."""

    components: Pipeline
    whole: Ridge
    parts: tuple[Ridge, ...]
    fold_of: dict[str, int]
    penalty: float
    correlation: float
    """Pearson, of targets and predictions that have not seen their photo."""

    def predict(self, x: Values, photos: Sequence[str]) -> Values:
        """[N, D] -> [N]; a photo that was fitted on is predicted by the part that did not see it."""
        z = self.components.transform(x)
        lines = np.stack([line.predict(z) for line in (*self.parts, self.whole)])
        return lines[[self.fold_of.get(photo, -1) for photo in photos], np.arange(len(z))]


def fit(x: Values, y: Values, photos: Sequence[str]) -> CrossFitted:
    """`x` [N, D], `y` [N]; at least two photos. Folds are by photo, in the order of their names."""
    names = sorted(set(photos))
    fold_of = {name: number % min(FOLDS, len(names)) for number, name in enumerate(names)}
    folds = PredefinedSplit([fold_of[photo] for photo in photos])
    reduced = PCA(min(COMPONENTS, *x.shape), svd_solver="randomized", random_state=0)
    components = make_pipeline(StandardScaler(), reduced).fit(x)
    z = components.transform(x)
    unseen = {penalty: cross_val_predict(Ridge(penalty), z, y, cv=folds) for penalty in PENALTIES}
    penalty = min(PENALTIES, key=lambda penalty: float(np.square(unseen[penalty] - y).mean()))
    parts = tuple(Ridge(penalty).fit(z[seen], y[seen]) for seen, _ in folds.split())
    correlation = float(np.corrcoef(unseen[penalty], y)[0, 1]) if np.ptp(unseen[penalty]) > 0 and np.ptp(y) > 0 else 0.0
    return CrossFitted(components, Ridge(penalty).fit(z, y), parts, fold_of, penalty, correlation)
