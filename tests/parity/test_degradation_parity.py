"""Filters of the degradation against OpenCV, which the published training code filters with."""

import cv2
import numpy as np
import pytest

from oars.config.degradation import DegradationConfig, SharpenConfig
from oars.imaging.degradation import blur, resize, sharpen
from oars.imaging.kernels import draw_kernel

IMAGE = np.random.default_rng(0).random((60, 84, 3), np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_blur_is_opencv_s_filter(seed: int) -> None:
    kernel = draw_kernel(DegradationConfig().first.kernel, np.random.default_rng(seed))
    theirs = cv2.filter2D(IMAGE, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(blur(IMAGE, kernel), theirs, atol=1e-5)


def test_sharpen_is_the_published_unsharp_mask() -> None:
    smooth = cv2.GaussianBlur(IMAGE, (5, 5), 0)
    detail = smooth - cv2.GaussianBlur(smooth, (51, 51), 0)
    mask = cv2.GaussianBlur((np.abs(detail) * 255 > 10).astype(np.float32), (51, 51), 0)
    theirs = mask * np.clip(smooth + 0.5 * detail, 0, 1) + (1 - mask) * smooth
    np.testing.assert_allclose(sharpen(smooth, SharpenConfig()), theirs, atol=1e-4)


@pytest.mark.parametrize(("mode", "flag"), [("bilinear", cv2.INTER_LINEAR), ("bicubic", cv2.INTER_CUBIC)])
def test_resize_is_opencv_s_without_antialiasing(mode: str, flag: int) -> None:
    theirs = cv2.resize(IMAGE, (33, 70), interpolation=flag)
    np.testing.assert_allclose(resize(IMAGE, (70, 33), mode), theirs, atol=1e-4)
