"""Our NIQE and BRISQUE parts against the packages that their parameters come from; PSNR against a library."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from oars.imaging.photos import find_photos
from oars.metrics import no_reference
from oars.metrics.natural_scene import mscn
from oars.metrics.pixel import psnr

PHOTO = np.ascontiguousarray(find_photos("packages", "evaluation")[1].pixels()[60:188, 120:248])
GREY = PHOTO @ np.array([0.2989, 0.587, 0.114])


def skvideo_module(name: str) -> ModuleType:
    """A module of scikit-video by path: the package itself does not import with a current numpy."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / "utils" / f"{name}.py"
    module_spec = importlib.util.spec_from_file_location(f"skvideo_{name}", path)
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


def test_mscn_is_scikit_video_s() -> None:
    theirs, _, _ = skvideo_module("mscn").compute_image_mscn_transform(GREY, extend_mode="nearest")
    np.testing.assert_allclose(mscn(GREY, 1.0, "nearest"), theirs, atol=2e-3)


def test_niqe_block_features_are_scikit_video_s() -> None:
    stats = skvideo_module("stats")
    coefficients = mscn(GREY, 1.0, "nearest")[:32, :32]
    alpha, _, left, right, _, _ = stats.aggd_features(coefficients.copy())
    expected = [alpha, (left + right) / 2]
    for product in stats.paired_product(coefficients):
        expected += stats.aggd_features(product.copy())[:4]
    ours = no_reference._niqe_scale(GREY, 32, 16)[0]
    np.testing.assert_allclose(ours, expected, atol=2e-3)


def test_brisque_is_the_package_s() -> None:
    brisque = pytest.importorskip("brisque")
    noisy = np.clip(PHOTO + np.random.default_rng(0).normal(0, 20, PHOTO.shape), 0, 255).astype(np.uint8)
    for image in (PHOTO, noisy, PHOTO[:127, :101]):
        # The package solves for the shape by root finding, ours is a grid of 0.001.
        assert no_reference.brisque(image) == pytest.approx(brisque.BRISQUE(url=False).score(image), abs=0.3)


def test_psnr_is_scikit_image_s() -> None:
    other = PHOTO[::-1].copy()
    assert psnr(other, PHOTO) == pytest.approx(peak_signal_noise_ratio(PHOTO, other, data_range=255))
