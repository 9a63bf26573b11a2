"""Ridge regression with the penalty chosen by cross-validation over photos, and predictions that never saw their photo.

It stands in for a no-reference judge of pictures (ours): features of a picture to what the metrics said against GT.
The features are first reduced to their leading components, which knows nothing of the targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

Values = NDArray[np.float64]

COMPONENTS = 256
"""Enough for all but a few per cent of the trunk features' variance; makes a fit a matter of seconds."""
PENALTIES = (1e1, 1e2, 1e3, 1e4, 1e5)
FOLDS = 5


@dataclass(frozen=True)
class _Line:
    """y = (z - mean) @ weights + level."""

    mean: Values
    weights: Values
    level: float

    @classmethod
    def through(cls, z: Values, y: Values, penalty: float) -> "_Line":
        mean, level = z.mean(0), float(y.mean())
        centred = z - mean
        factor = cho_factor(centred.T @ centred + penalty * np.eye(z.shape[1]))
        return cls(mean, cho_solve(factor, centred.T @ (y - level)), level)

    def at(self, z: Values) -> Values:
        return (z - self.mean) @ self.weights + self.level


@dataclass(frozen=True)
class CrossFitted:
    """One line through everything, and one a fold that has not seen the targets of the fold's photos."""

    scaler: StandardScaler
    components: PCA
    whole: _Line
    parts: tuple[_Line, ...]
    fold_of: dict[str, int]
    penalty: float
    correlation: float
    """Pearson, of targets and predictions that have not seen their photo."""

    def predict(self, x: Values, photos: Sequence[str]) -> Values:
        """[N, D] -> [N]; a photo that was fitted on is predicted by the part that did not see it."""
        z = self.components.transform(self.scaler.transform(x))
        predictions = self.whole.at(z)
        folds = np.array([self.fold_of.get(photo, -1) for photo in photos])
        for number, part in enumerate(self.parts):
            predictions[folds == number] = part.at(z[folds == number])
        return predictions


def fit(x: Values, y: Values, photos: Sequence[str]) -> CrossFitted:
    """`x` [N, D], `y` [N]; at least two photos. Folds are by photo, in the order of their names."""
    names = sorted(set(photos))
    fold_of = {name: number % min(FOLDS, len(names)) for number, name in enumerate(names)}
    folds = np.array([fold_of[photo] for photo in photos])
    scaler = StandardScaler().fit(x)
    components = PCA(min(COMPONENTS, *x.shape), svd_solver="randomized", random_state=0).fit(scaler.transform(x))
    z = components.transform(scaler.transform(x))
    candidates = [(penalty, *_unseen(z, y, folds, penalty)) for penalty in PENALTIES]
    penalty, parts, unseen = min(candidates, key=lambda candidate: float(np.square(candidate[2] - y).mean()))
    correlation = float(np.corrcoef(unseen, y)[0, 1]) if np.ptp(unseen) > 0 and np.ptp(y) > 0 else 0.0
    return CrossFitted(scaler, components, _Line.through(z, y, penalty), parts, fold_of, penalty, correlation)


def _unseen(z: Values, y: Values, folds: NDArray[np.int_], penalty: float) -> tuple[tuple[_Line, ...], Values]:
    """A line for each fold through the others, and its prediction of the fold."""
    predictions = np.empty_like(y)
    lines = []
    for number in range(folds.max() + 1):
        line = _Line.through(z[folds != number], y[folds != number], penalty)
        predictions[folds == number] = line.at(z[folds == number])
        lines.append(line)
    return tuple(lines), predictions
