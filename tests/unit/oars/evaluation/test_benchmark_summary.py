"""Means and paired differences of an evaluation."""

from oars.evaluation.benchmark_records import Source
from oars.evaluation.benchmark_summary import differences, summarised

BEFORE = {"a": {"psnr": 20.0, "reward": 1.0}, "b": {"psnr": 30.0}, "c": {"psnr": 25.0, "reward": 2.0}}
AFTER = {"a": {"psnr": 21.0, "reward": 1.5}, "b": {"psnr": 31.0, "reward": 3.0}, "c": {"psnr": 26.0}}


def test_a_difference_is_taken_picture_by_picture() -> None:
    found = differences(AFTER, BEFORE, seed=0)
    assert (found["psnr"].mean, found["psnr"].low, found["psnr"].high) == (1.0, 1.0, 1.0)
    assert (found["reward"].mean, found["reward"].count) == (0.5, 1)


def test_a_mean_is_over_the_pictures_that_have_the_metric() -> None:
    result = summarised(Source(folder="set", strength=None), {"old": BEFORE, "new": AFTER}, {}, "old", seed=0)
    assert result.pictures == 3
    assert (result.models["old"]["psnr"].mean, result.models["old"]["reward"].count) == (25.0, 2)
    assert set(result.paired) == {"new"}
