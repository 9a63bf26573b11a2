"""Benchmark folders: layouts, names, limits, and what is wrong with one, in one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oars.config.degradation import DegradationConfig
from oars.evaluation.benchmark_files import BadBenchmark
from oars.evaluation.benchmarks import Degradation, drawn, pictures_of

DEGRADATION = Degradation(DegradationConfig(), 1.0, 7)


def save(path: Path, width: int, height: int, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(("low", "high"), [("lr", "hr"), ("LR", "GT"), ("test_LR", "test_HR")])
def test_pairs_meet_by_name_whatever_their_endings_are(tmp_path: Path, low: str, high: str) -> None:
    save(tmp_path / low / "Canon_001_LR4.png", 12, 10)
    save(tmp_path / high / "Canon_001_HR.png", 48, 40)
    [picture] = pictures_of(tmp_path, 4)
    pair = picture.load()
    assert (picture.name, pair.lr.shape, pair.gt is not None and pair.gt.shape) == (
        "Canon_001",
        (10, 12, 3),
        (40, 48, 3),
    )


def test_a_plain_folder_holds_inputs_without_ground_truth(tmp_path: Path) -> None:
    save(tmp_path / "b.jpg", 20, 16)
    save(tmp_path / "a.png", 16, 16)
    (tmp_path / "readme.txt").write_text("no picture")
    first, second = pictures_of(tmp_path, 4)
    assert [first.name, second.name] == ["a", "b"]
    assert second.load().gt is None


def test_photos_are_degraded_the_same_each_time_and_cut_to_whole_pixels(tmp_path: Path) -> None:
    save(tmp_path / "photo.png", 51, 42)
    [picture] = pictures_of(tmp_path, 4, DEGRADATION)
    pair, again = picture.load(), picture.load()
    assert pair.gt is not None and pair.gt.shape == (40, 48, 3)
    assert pair.lr.shape == (10, 12, 3)
    np.testing.assert_array_equal(pair.lr, again.lr)
    [other] = pictures_of(tmp_path, 4, Degradation(DegradationConfig(), 1.0, 8))
    assert not np.array_equal(other.load().lr, pair.lr)


def test_a_larger_limit_keeps_the_pictures_of_a_smaller_one(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path / f"{number:02d}.png", 8, 8)
    everything = pictures_of(tmp_path, 4)
    few, more = ({picture.name for picture in drawn(everything, limit, 3)} for limit in (4, 8))
    assert few < more and len(few) == 4
    assert [p.name for p in drawn(everything, None, 3)] == [f"{n:02d}" for n in range(12)]
    assert {p.name for p in drawn(everything, 4, 4)} != few


def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadBenchmark, match="no such folder"):
        pictures_of(tmp_path / "nowhere", 4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadBenchmark, match="no pictures"):
        pictures_of(tmp_path / "empty", 4)
    save(tmp_path / "alone" / "lr" / "a.png", 8, 8)
    save(tmp_path / "alone" / "hr" / "b.png", 32, 32)
    with pytest.raises(BadBenchmark, match=r"lr: a has no partner in .*hr"):
        pictures_of(tmp_path / "alone", 4)
    save(tmp_path / "twice" / "a.png", 8, 8)
    save(tmp_path / "twice" / "a.jpg", 8, 8)
    with pytest.raises(BadBenchmark, match=r"a\.png: has the same name as a\.jpg"):
        pictures_of(tmp_path / "twice", 4)
    save(tmp_path / "sizes" / "lr" / "a.png", 8, 8)
    save(tmp_path / "sizes" / "hr" / "a.png", 24, 24)
    with pytest.raises(BadBenchmark, match="24x24 px, 4 times 8x8 px expected"):
        pictures_of(tmp_path / "sizes", 4)[0].load()
