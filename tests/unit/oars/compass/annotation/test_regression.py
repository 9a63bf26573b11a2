"""Cross-fitted ridge: the closed form, the penalty that predicts unseen photos best, and no look at one's own photo."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oars.compass.annotation import regression
from oars.compass.annotation.regression import PENALTIES, CrossFitted, fit

PHOTOS = [f"photo {number % 7}" for number in range(84)]


def data(seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(PHOTOS), 12))
    return x, x @ rng.normal(size=12) + noise * rng.normal(size=len(PHOTOS))


def closed_form(x: np.ndarray, y: np.ndarray, penalty: float, at: np.ndarray) -> np.ndarray:
    mean, level = x.mean(0), y.mean()
    centred = x - mean
    weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ (y - level))
    return (at - mean) @ weights + level


def leave_out(model: CrossFitted, x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Predictions of each fold by the closed form through the other folds."""
    z, folds = model.components.transform(x), np.array([model.fold_of[photo] for photo in PHOTOS])
    predictions = np.empty_like(y)
    for fold in set(folds):
        predictions[folds == fold] = closed_form(z[folds != fold], y[folds != fold], penalty, z[folds == fold])
    return predictions


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 999), st.sampled_from([0.1, 3.0, 30.0]))
def test_fits_as_the_closed_form_does(seed: int, noise: float) -> None:
    x, y = data(seed, noise)
    model = fit(x, y, PHOTOS)
    errors = {penalty: np.square(leave_out(model, x, y, penalty) - y).mean() for penalty in PENALTIES}
    assert errors[model.penalty] == pytest.approx(min(errors.values()))
    unseen = leave_out(model, x, y, model.penalty)
    np.testing.assert_allclose(model.predict(x, PHOTOS), unseen, atol=1e-9)
    assert model.correlation == pytest.approx(np.corrcoef(unseen, y)[0, 1])
    z = model.components.transform(x)
    np.testing.assert_allclose(model.predict(x, ["new"] * len(x)), closed_form(z, y, model.penalty, z), atol=1e-9)


def test_a_photo_is_predicted_without_its_own_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regression, "PENALTIES", (10.0,))
    x, y = data(0, 1.0)
    own = np.array([photo == "photo 3" for photo in PHOTOS])
    other = np.where(own, y + 100, y)
    before, after = (fit(x, targets, PHOTOS).predict(x[own], ["photo 3"] * int(own.sum())) for targets in (y, other))
    np.testing.assert_allclose(before, after)
