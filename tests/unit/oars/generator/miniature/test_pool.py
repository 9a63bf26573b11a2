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


@pytest.fixture
def pairs() -> pool.Pictures:
    return pool.Pictures(*np.random.default_rng(0).integers(0, 256, (2, 5, 64, 64, 3), np.uint8))


def test_a_later_start_sees_what_those_steps_see(pairs: pool.Pictures) -> None:
    whole, late = (list(pool.pooled_pictures(pairs, 2, 0, range(start, 5))) for start in (0, 3))
    assert all(np.array_equal(a, b) for a, b in zip(whole[3], late[0], strict=True))
    assert not np.array_equal(whole[2][0], whole[3][0])


def test_all_pictures_of_a_pair_are_turned_alike(pairs: pool.Pictures) -> None:
    """Of a pool whose LRs are its pre-restored pictures inverted."""
    for seen in pool.pooled_pictures(pairs._replace(lr=255 - pairs.restored), 4, 0, range(5)):
        assert np.array_equal(seen.lr, 255 - seen.restored)
