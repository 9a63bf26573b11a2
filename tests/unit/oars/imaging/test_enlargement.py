"""What an enlargement takes is known before it begins, and transparency goes through it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oars import memory
from oars.config import SamplerConfig
from oars.imaging.enlargement import Enlargement, passes, plan_enlargement
from oars.imaging.image_io import BadImage, Picture, Pixels
from oars.imaging.tiling import Tiles
from oars.imaging.transparency import finished_rows, visible_colours

LANCZOS, BICUBIC = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC
SAMPLER = SamplerConfig(tile=96, overlap=32)
RNG = np.random.default_rng(0)


def plan(shape: tuple[int, ...], scale: float, target: str = "a.png") -> Enlargement:
    return plan_enlargement("a.png", shape, scale, 4, SAMPLER, Path(target))


@pytest.mark.parametrize(
    ("scale", "factors"),
    [(1, (1,)), (1.5, (2,)), (2, (2,)), (3, (3,)), (4, (4,)), (6, (4, 2)), (8, (4, 2)), (16, (4, 4)), (17, (4, 4, 2))],
)
def test_a_scale_is_reached_by_the_fewest_passes(scale: float, factors: tuple[int, ...]) -> None:
    assert passes(scale, 4) == factors


def test_the_plan_counts_pixels_tiles_and_memory() -> None:
    made = plan((750, 1000, 3), 4)
    assert (made.height, made.width) == (3000, 4000) and made.tiles == Tiles.on_grid(4, 96, 32).count(750, 1000)
    assert made.memory < 8 * made.height * made.width < plan((750, 1000, 3), 4, "a.tif").memory
    assert plan((100, 101, 3), 1.5).width == 152
    twice = plan((96, 96, 3), 8)
    assert twice.tiles == Tiles.on_grid(4, 96, 32).count(96, 96) + Tiles.on_grid(2, 96, 32).count(384, 384)


def test_memory_hardly_grows_with_a_picture_that_is_streamed() -> None:
    """64 million pixels of output."""
    assert plan((2000, 2000, 3), 4).memory < 2**29


def test_what_is_larger_than_a_picture_may_be_is_refused() -> None:
    with pytest.raises(BadImage, match=r"^a\.png: enlarged to 64000x64000 px"):
        plan((8000, 8000, 3), 8)
    with pytest.raises(BadImage, match=r"\.webp takes at most 16383 px a side"):
        plan((5000, 100, 3), 4, "a.webp")


def test_what_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**29)
    with pytest.raises(memory.NotEnoughMemory, match=r"^a\.png: enlarging it to 16000x12000 px takes about .* GiB"):
        plan((3000, 4000, 3), 4)


def test_hidden_colours_do_not_seep_out() -> None:
    rgb, alpha = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    rgb[2:6, 2:6], alpha[2:6, 2:6] = (200, 100, 50), 255
    np.testing.assert_array_equal(visible_colours(Picture(rgb, alpha)), np.broadcast_to((200, 100, 50), (8, 8, 3)))
    np.testing.assert_array_equal(visible_colours(Picture(rgb, np.zeros_like(alpha))), rgb)


def finished(rgb: Pixels, height: int, width: int, alpha: Pixels | None = None) -> Pixels:
    return np.concatenate(list(finished_rows(rgb, height, width, alpha, None)))


def test_alpha_is_enlarged_with_the_colours() -> None:
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:, 4:] = 255
    sr = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    both = finished(sr, 32, 32, alpha)
    np.testing.assert_array_equal(both[..., :3], sr)
    assert (both[:, :8, 3] == 0).all() and (both[:, 24:, 3] == 255).all()
    np.testing.assert_array_equal(finished(sr, 32, 32), sr)


def test_bands_are_reduced_as_the_whole_is() -> None:
    sr, alpha = RNG.integers(0, 256, (1400, 40, 3), np.uint8), RNG.integers(0, 256, (350, 10), np.uint8)
    # Across, then down.
    whole = Image.fromarray(sr).resize((30, 1400), LANCZOS).resize((30, 1050), LANCZOS)
    larger = Image.fromarray(alpha).resize((30, 350), BICUBIC).resize((30, 1050), BICUBIC)
    both = finished(sr, 1050, 30, alpha).astype(int)
    assert np.abs(both - np.dstack([np.asarray(whole), np.asarray(larger)])).max() <= 1
