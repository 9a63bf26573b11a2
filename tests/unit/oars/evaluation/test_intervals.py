"""Bootstrap intervals: seeded, centred, and as wide as theory says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oars.evaluation.intervals import (
    bootstrap_mean,
    jackknife,
    mean_over_units,
    of_statistic,
    paired_difference,
    share,
    share_difference,
)


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


counts = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8)


@given(counts)
def test_a_share_lies_in_its_interval_and_between_its_units(entries):
    right, total = [min(a, b) for a, b in entries], [b for _, b in entries]
    if sum(total) == 0:
        with pytest.raises(ValueError, match="no share"):
            share(right, total)
        return
    interval = share(right, total)
    assert interval.low - 1e-9 <= interval.mean <= interval.high + 1e-9
    ratios = [a / b for a, b in zip(right, total, strict=True) if b]
    assert min(ratios) - 1e-9 <= interval.low and interval.high <= max(ratios) + 1e-9
    assert interval.count == sum(total)


@given(counts)
def test_the_difference_of_a_share_with_itself_is_zero(entries):
    right, total = [min(a, b) for a, b in entries], [b + 1 for _, b in entries]
    interval = share_difference(right, right, total)
    assert (interval.mean, interval.low, interval.high) == (0, 0, 0)


def test_whole_units_are_resampled():
    """Two units that agree inside and differ between them: rows alone would give a far narrower interval."""
    values = np.array([0.0] * 50 + [1.0] * 50)
    interval = of_statistic([range(50), range(50, 100)], lambda rows: float(values[rows].mean()))
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.0, 1.0)


def test_units_are_resampled_whole() -> None:
    rng = np.random.default_rng(2)
    photos = [f"photo-{i // 8}" for i in range(80)]
    values = np.repeat(rng.normal(0, 1, 10), 8)
    over_photos, over_crops = mean_over_units(list(values), photos), bootstrap_mean(list(values))
    assert over_photos.mean == pytest.approx(values.mean()) and over_photos.count == 80
    # Eight equal crops of a photo say no more than one: the interval is the wider by the root of 8.
    width = (over_photos.high - over_photos.low) / (over_crops.high - over_crops.low)
    assert width == pytest.approx(8**0.5, rel=0.15)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(3).normal(0, 1, 30)
    left_out = [float(np.delete(values, i).mean()) for i in range(30)]
    interval = jackknife(float(values.mean()), left_out, 30)
    assert interval.high - interval.mean == pytest.approx(1.96 * values.std(ddof=1) / 30**0.5)
    assert jackknife(2.0, [1.0], 1) == jackknife(2.0, [], 1)
