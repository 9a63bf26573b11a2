from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oars.compass.annotation.labels import Errors, LabelMap, colour_error, structure_error

LABELS = LabelMap(stlpips=0.7, structure=0.6, colour=15.0, jod=4.0)
ERRORS = ("stlpips", "structure", "colour", "jod", "depicted_stlpips")
error = arrays(np.float32, 4, elements=st.floats(0, 2, width=32))


def errors(**values: np.ndarray) -> Errors:
    zero = np.zeros(4, np.float32)
    return Errors(**{name: values.get(name, zero + 10 if name == "jod" else zero) for name in ERRORS})


def test_a_perfect_picture_has_the_best_labels():
    assert LABELS.fidelity(errors()) == pytest.approx(1.0)
    assert LABELS.quality(errors()) == pytest.approx(5.0)


@given(st.sampled_from(["stlpips", "structure", "colour"]), error, error)
def test_fidelity_falls_with_every_error(name, a, b):
    low, high = np.minimum(a, b), np.maximum(a, b)
    assert (LABELS.fidelity(errors(**{name: high})) <= LABELS.fidelity(errors(**{name: low}))).all()
    assert (LABELS.fidelity(errors(**{name: high})) >= 0).all()


@given(error, error)
def test_quality_rises_with_jod_and_falls_with_distance(a, b):
    low, high = np.minimum(a, b), np.maximum(a, b)
    assert (LABELS.quality(errors(jod=8 + low)) <= LABELS.quality(errors(jod=8 + high))).all()
    assert (LABELS.quality(errors(depicted_stlpips=high)) <= LABELS.quality(errors(depicted_stlpips=low))).all()
    assert (LABELS.quality(errors(jod=low, depicted_stlpips=high)) >= 1).all()


def test_moved_and_tinted_content_have_errors_of_their_own():
    gt = np.random.default_rng(0).integers(0, 200, (64, 64, 3), dtype=np.uint8)
    assert structure_error(gt, gt) == pytest.approx(0)
    assert colour_error(gt, gt) == 0
    assert structure_error(np.roll(gt, 3, axis=0), gt) > 0.3
    assert colour_error(gt + np.array([30, 0, 0], np.uint8), gt) > 5


def test_bounds_are_percentiles_of_the_training_errors():
    values = np.linspace(0, 1, 101, dtype=np.float32)
    fitted = LabelMap.fit(Errors(values, values, values, 10 - values, values))
    assert astuple(fitted) == pytest.approx((0.95, 0.95, 0.95, 9.05))
