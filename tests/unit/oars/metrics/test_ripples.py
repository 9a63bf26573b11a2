"""Ripples beside strong edges: found where they are, and nowhere else."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from oars.imaging.perturbations import to_pixels
from oars.metrics.ripples import added_ripples

SIDE = 96


def edge(left: float = 60, right: float = 180) -> NDArray[np.float64]:
    picture = np.full((SIDE, SIDE, 3), left)
    picture[:, SIDE // 2 :] = right
    return picture


def echoes(amplitude: float, period: int = 4) -> NDArray[np.float64]:
    """Stripes within 16 px of the edge."""
    columns = np.arange(SIDE) - SIDE / 2
    return (amplitude * np.sin(2 * np.pi * columns / period) * (np.abs(columns) < 16))[None, :, None]


@pytest.mark.parametrize("period", [3, 4, 6])
def test_more_of_them_read_more(period: int) -> None:
    truth = to_pixels(edge())
    read = [added_ripples(to_pixels(edge() + echoes(amplitude, period)), truth) for amplitude in (0, 2, 4, 8)]
    assert read[0] == 0 < read[1] < read[2] < read[3]
    assert read[3] == pytest.approx(8 / np.sqrt(2), rel=0.4)


def test_a_soft_edge_and_one_elsewhere_are_no_ripples() -> None:
    truth = to_pixels(edge())
    assert added_ripples(to_pixels(gaussian_filter(edge(), (2, 2, 0))), truth) < 0.5
    assert added_ripples(np.roll(truth, 1, 1), truth) < 0.5


def test_what_the_truth_has_is_not_added() -> None:
    rng = np.random.default_rng(0)
    rough = to_pixels(edge() + rng.normal(0, 2, (SIDE, SIDE, 1)))
    assert added_ripples(rough, rough) == 0
    assert added_ripples(to_pixels(edge()), rough) == 0


def test_without_a_flat_place_beside_an_edge_there_are_none() -> None:
    flat = np.full((SIDE, SIDE, 3), 90, np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    assert added_ripples(noise, flat) == 0
    assert added_ripples(flat, noise) == 0
