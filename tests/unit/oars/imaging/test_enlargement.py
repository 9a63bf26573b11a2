"""What an enlargement takes is known before it begins, and transparency goes through it."""

import numpy as np
import pytest

from oars import memory
from oars.config import SamplerConfig
from oars.imaging.enlargement import plan_enlargement
from oars.imaging.image_io import BadImage, Picture
from oars.imaging.tiling import tile_count
from oars.imaging.transparency import visible_colours, with_alpha

SAMPLER = SamplerConfig(tile=96, overlap=32)
RNG = np.random.default_rng(0)


def test_the_plan_counts_pixels_tiles_and_memory() -> None:
    plan = plan_enlargement("a.png", (750, 1000, 3), 4, SAMPLER)
    assert (plan.height, plan.width) == (3000, 4000) and plan.tiles == tile_count(750, 1000, 24, 8)
    assert 3 * plan.height * plan.width < plan.memory < 20 * plan.height * plan.width


def test_what_is_larger_than_a_picture_may_be_is_refused() -> None:
    with pytest.raises(BadImage, match=r"^a\.png: enlarged to 64000x64000 px"):
        plan_enlargement("a.png", (8000, 8000, 3), 8, SAMPLER)


def test_what_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**29)
    with pytest.raises(memory.NotEnoughMemory, match=r"^a\.png: enlarging it to 16000x12000 px takes about .* GiB"):
        plan_enlargement("a.png", (3000, 4000, 3), 4, SAMPLER)


def test_hidden_colours_do_not_seep_out() -> None:
    rgb, alpha = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    rgb[2:6, 2:6], alpha[2:6, 2:6] = (200, 100, 50), 255
    np.testing.assert_array_equal(visible_colours(Picture(rgb, alpha)), np.broadcast_to((200, 100, 50), (8, 8, 3)))
    np.testing.assert_array_equal(visible_colours(Picture(rgb, np.zeros_like(alpha))), rgb)


def test_alpha_is_enlarged_with_the_colours() -> None:
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:, 4:] = 255
    sr = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    both = with_alpha(sr, alpha)
    np.testing.assert_array_equal(both[..., :3], sr)
    assert (both[:, :8, 3] == 0).all() and (both[:, 24:, 3] == 255).all()
    assert with_alpha(sr, None) is sr
