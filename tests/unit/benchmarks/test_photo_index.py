"""The benchmark in small: every way of keeping photos gives the same ones, and the broken one is one line."""

from pathlib import Path

import pytest

from benchmarks.photo_index import WAYS, measure
from oars.imaging import photo_index


@pytest.mark.parametrize("way", sorted(WAYS))
def test_one_photo_cut_short_is_one_line_and_the_first_pair_comes(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OARS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(photo_index, "FEW", 100)
    (tmp_path / "photos").mkdir()
    WAYS[way](tmp_path / "photos", 400)
    found = measure(tmp_path / "photos")
    assert found["left_out"] == 1 and found["lines"] == 0
    assert 280 < float(found["train"]) < 400
    assert photo_index.index_file(tmp_path / "photos").exists()
