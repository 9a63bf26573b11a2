"""Bootstrap intervals: seeded, centred, and as wide as theory says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oars.evaluation.intervals import bootstrap_mean, paired_difference


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.integers(0, 99))
def test_interval_lies_within_the_values_and_follows_the_seed(values: list[float], seed: int) -> None:
    interval = bootstrap_mean(values, seed, resamples=500)
    assert interval.mean == pytest.approx(np.mean(values)) and interval.count == len(values)
    assert min(values) - 1e-6 <= interval.low <= interval.high <= max(values) + 1e-6
    assert interval == bootstrap_mean(values, seed, resamples=500)


def test_width_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    interval = bootstrap_mean(list(values))
    assert interval.count == 400
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


def test_pairing_removes_what_the_pairs_share() -> None:
    rng = np.random.default_rng(1)
    before = rng.normal(0, 10, 50)
    after = before + rng.normal(0.5, 0.5, 50)
    assert paired_difference(list(after), list(before)).low > 0
    assert bootstrap_mean(list(after)).low < bootstrap_mean(list(before)).high


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_empty_or_non_finite_values_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        bootstrap_mean(values)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="paired"):
        paired_difference([1.0, 2.0], [1.0])
