"""The pool of training pairs: written once, whole, the same from a killed and an unbroken build."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oars.generator.miniature import pool
from oars.generator.pre_restoration import PreRestorer
from oars.imaging.photo import Photo

pytestmark = pytest.mark.unit


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    rng = np.random.default_rng(0)
    path = tmp_path / "photo.png"
    Image.fromarray(rng.integers(0, 256, (300, 280, 3), np.uint8)).save(path)
    return [Photo("photo", path)]


def test_a_build_goes_on_with_the_next_shard(
    photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "SHARD", 2)
    restorer, made = PreRestorer("none"), []

    def stop(shard: int) -> None:
        made.append(shard)
        if len(made) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.make_pool(tmp_path / "broken", photos, restorer, range(2), 0, stop)
    pool.make_pool(tmp_path / "broken", photos, restorer, range(2), 0, made.append)
    pool.make_pool(tmp_path / "whole", photos, restorer, range(2), 0, made.append)
    for broken, whole in zip(
        pool.read_pool(tmp_path / "broken", 2), pool.read_pool(tmp_path / "whole", 2), strict=True
    ):
        assert broken.shape == (4, pool.SIDE, pool.SIDE, 3) and np.array_equal(broken, whole)
