"""Kernels, noise, JPEG and the two orders of the Real-ESRGAN degradation."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from oars.config.degradation import DegradationConfig, KernelConfig, NoiseConfig, SharpenConfig, StageConfig
from oars.imaging.degradation import add_noise, blur, compress, degrade, resize, sharpen
from oars.imaging.kernels import draw_final_sinc, draw_kernel, gaussian_kernel, sinc_kernel, squared_distance

Pixels = NDArray[np.uint8]

FULL, MILD = DegradationConfig(), DegradationConfig.mild()
SEEDS = st.integers(0, 2**32)


def picture(height: int, width: int, seed: int = 0) -> Pixels:
    """A smooth colourful image with an edge."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 16
    waves = np.stack([np.sin(x + phase) + np.cos(y - phase) for phase in rng.uniform(0, 6, 3)], -1)
    waves[:, width // 2 :] += 1
    return np.clip(waves * 50 + 110, 0, 255).astype(np.uint8)


@given(SEEDS, st.sampled_from([FULL.first.kernel, FULL.second.kernel, MILD.first.kernel]))
def test_kernels_sum_to_one_and_are_half_turn_symmetric(seed: int, config: KernelConfig) -> None:
    kernel = draw_kernel(config, np.random.default_rng(seed))
    assert kernel.sum() == pytest.approx(1)
    assert kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2 == 1
    assert config.size[0] <= kernel.shape[0] <= config.size[1]
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-12)


@given(SEEDS)
def test_final_sinc_sums_to_one(seed: int) -> None:
    assert draw_final_sinc((7, 21), np.random.default_rng(seed)).sum() == pytest.approx(1)


@given(st.floats(0.8, 3), st.floats(0.8, 3), st.floats(-3, 3))
def test_gaussian_has_the_axes_it_was_asked_for(sigma_x: float, sigma_y: float, angle: float) -> None:
    kernel = gaussian_kernel(squared_distance(41, sigma_x, sigma_y, angle))
    axis = np.arange(41) - 20
    x, y = np.meshgrid(axis, axis)
    along = x * np.cos(angle) + y * np.sin(angle)
    assert (kernel * along**2).sum() == pytest.approx(sigma_x**2, rel=0.02)


def test_sinc_at_the_widest_cutoff_is_sharper_than_at_a_low_one() -> None:
    assert sinc_kernel(21, np.pi)[10, 10] > 3 * sinc_kernel(21, np.pi / 3)[10, 10]


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from([FULL, MILD]), st.sampled_from([(8, 8), (16, 40), (64, 64)]))
def test_output_size_type_and_determinism(seed: int, config: DegradationConfig, size: tuple[int, int]) -> None:
    gt = picture(*size)
    lr = degrade(gt, config, seed, 4)
    assert lr.shape == (size[0] // 4, size[1] // 4, 3) and lr.dtype == np.uint8
    np.testing.assert_array_equal(lr, degrade(gt, config, seed, 4))


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic"])
def test_the_number_of_threads_changes_no_bit(mode: str) -> None:
    image = np.random.default_rng(0).random((190, 230, 3), np.float32)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = resize(image, (150, 170), mode)
        torch.set_num_threads(2)
        np.testing.assert_array_equal(resize(image, (150, 170), mode), alone)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_seeds_differ() -> None:
    gt = picture(64, 64)
    outputs = {degrade(gt, FULL, seed, 4).tobytes() for seed in range(20)}
    assert len(outputs) == 20


def test_the_image_survives_on_average() -> None:
    """Averaged over many draws the noise cancels: the LR shows the GT, neither shifted in space nor in colour."""
    gt = picture(64, 64)
    mean = np.mean([degrade(gt, FULL, seed, 4) for seed in range(80)], 0)
    reference = gt.reshape(16, 4, 16, 4, 3).mean((1, 3))
    assert np.abs(mean.mean((0, 1)) - reference.mean((0, 1))).max() < 4
    assert np.corrcoef(mean.ravel(), reference.ravel())[0, 1] > 0.97


def test_mild_is_milder() -> None:
    gt = picture(64, 64)
    reference = gt.reshape(16, 4, 16, 4, 3).mean((1, 3))

    def error(config: DegradationConfig) -> float:
        return float(np.mean([np.square(degrade(gt, config, seed, 4) - reference).mean() for seed in range(30)]))

    assert error(MILD) < error(FULL) / 3


def test_size_that_the_scale_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples"):
        degrade(picture(30, 64), FULL, 0, 4)


@given(SEEDS, st.integers(1, 9))
def test_blur_keeps_a_constant_image(seed: int, side: int) -> None:
    image = np.full((side, side + 3, 3), 0.25, np.float32)
    kernel = draw_kernel(FULL.first.kernel, np.random.default_rng(seed))
    np.testing.assert_allclose(blur(image, kernel), image, atol=1e-5)


@pytest.mark.parametrize("grey", [0.0, 1.0])
@pytest.mark.parametrize("gaussian", [0.0, 1.0])
def test_noise_is_grey_or_coloured_and_of_the_stated_size(grey: float, gaussian: float) -> None:
    image = np.full((128, 128, 3), 0.5, np.float32)
    image[::2] = 0.4
    config = NoiseConfig(gaussian=gaussian, grey=grey, sigma=(10, 10), poisson_scale=(0.05, 0.05))
    noise = add_noise(image, config, np.random.default_rng(0)) - image
    assert (np.ptp(noise, axis=-1).max() < 1e-6) == bool(grey)
    assert abs(noise.mean()) < 0.005
    if gaussian:
        assert noise.std() * 255 == pytest.approx(10, rel=0.05)


def test_lower_quality_compresses_worse() -> None:
    image = picture(64, 64).astype(np.float32) / np.float32(255)
    errors = [np.square(compress(image, quality) - image).mean() for quality in (95, 60, 30)]
    assert errors == sorted(errors)


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic"])
def test_resize_keeps_a_constant_image(mode: str) -> None:
    image = np.full((13, 17, 3), 0.3, np.float32)
    np.testing.assert_allclose(resize(image, (5, 29), mode), 0.3, atol=1e-5)


def test_sharpen_raises_contrast_at_edges_only() -> None:
    image = np.full((96, 96, 3), 0.3, np.float32)
    image[:, 48:] = 0.7
    sharp = sharpen(image, SharpenConfig())
    assert sharp[48, 47, 0] < 0.3 and sharp[48, 48, 0] > 0.7
    flat = np.full((96, 96, 3), 0.3, np.float32)
    np.testing.assert_allclose(sharpen(flat, SharpenConfig()), flat, atol=1e-6)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: KernelConfig(isotropic=0.9),
        lambda: KernelConfig(size=(8, 20)),
        lambda: NoiseConfig(sigma=(5, 1)),
        lambda: StageConfig(jpeg_quality=(0, 95)),
    ],
)
def test_impossible_settings_are_refused(bad: Callable[[], object]) -> None:
    with pytest.raises(ValidationError):
        bad()
