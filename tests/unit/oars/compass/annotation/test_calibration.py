"""Calibration: the least-squares line of the paper, and every way in which a group is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress

from oars.compass.annotation.calibration import Verdict, calibrate, overruled

values = st.integers(3, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 1), min_size=n, max_size=n), st.lists(st.floats(1, 5), min_size=n, max_size=n)
    )
)


@given(values)
def test_it_is_the_least_squares_line(drawn: tuple[list[float], list[float]]) -> None:
    ranks, anchors = np.array(drawn[0]), np.array(drawn[1])
    found = calibrate(ranks, anchors, 0.7)
    if np.ptp(ranks) < 1e-6:
        return
    line = linregress(ranks, anchors)
    assert found.alpha == pytest.approx(line.slope, abs=1e-6, rel=1e-6)
    assert found.beta == pytest.approx(line.intercept, abs=1e-6, rel=1e-6)
    quality = found.quality(ranks, anchors)
    assert quality.min() >= 1 and quality.max() <= 5
    assert found.verdict.kept == (found.alpha > 0 and found.conflict <= 0.7)
    assert found.conflict + 1e-9 >= 0 and found.conflict <= 2 + 1e-9


@given(st.floats(0.01, 4), st.floats(1, 1.9), st.integers(2, 12))
def test_agreeing_ranks_and_anchors_are_reproduced(alpha: float, beta: float, count: int) -> None:
    ranks = np.linspace(0, 1, count)
    anchors = np.clip(alpha * ranks * 0.7 + beta, 1, 5)
    found = calibrate(ranks, anchors, 0.7)
    assert found.verdict is Verdict.KEPT and found.conflict == pytest.approx(0, abs=1e-6)
    assert np.allclose(found.quality(ranks, anchors), anchors)


def test_each_reason_to_refuse_a_group() -> None:
    ranks = np.array([0.0, 0.5, 1.0])
    assert calibrate(ranks, np.array([3.0, 2.0, 1.0]), 0.7).verdict is Verdict.ALPHA_NOT_POSITIVE
    assert calibrate(ranks, np.array([2.0, 2.0, 2.0]), 0.7).verdict is Verdict.ALPHA_NOT_POSITIVE
    assert calibrate(ranks, np.array([2.0, 4.0, 2.1]), 0.7).verdict is Verdict.ANCHOR_CONFLICT
    flat = calibrate(np.full(3, 0.5), np.array([1.0, 2.0, 3.0]), 0.7)
    assert flat.verdict is Verdict.RANKS_ALL_EQUAL and list(flat.quality(ranks, np.array([1.0, 2, 3]))) == [1, 2, 3]


def test_a_person_overrules_in_both_directions() -> None:
    bad = calibrate(np.array([0.0, 1.0]), np.array([3.0, 1.0]), 0.7)
    good = calibrate(np.array([0.0, 1.0]), np.array([1.0, 3.0]), 0.7)
    said = {"a": "keep", "b": "drop"}
    assert overruled(bad, said, "a").verdict.kept and not overruled(good, said, "b").verdict.kept
    assert overruled(bad, said, "c") == bad
