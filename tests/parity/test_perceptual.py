"""Perceptual metrics against the packages' own code, and batches against single pairs."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from oars.metrics.perceptual import cvvdp, cvvdp_batch, stlpips, stlpips_batch


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    gt = rng.integers(0, 256, (3, 64, 80, 3), dtype=np.uint8)
    return np.clip(gt + rng.normal(0, 20, gt.shape), 0, 255).astype(np.uint8), gt


def test_stlpips_equals_the_packages_network(pairs, monkeypatch):
    for name, attribute in (("IPython", "embed"), ("torchsummary", "summary")):  # imported by the package, never called
        module = ModuleType(name)
        setattr(module, attribute, None)
        monkeypatch.setitem(sys.modules, name, module)
    theirs = pytest.importorskip("stlpips_pytorch.stlpips").LPIPS(net="alex", variant="shift_tolerant", verbose=False)
    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).float() / 127.5 - 1 for x in pairs)
    with torch.no_grad():
        expected = theirs(a, b).flatten().numpy()
    assert stlpips_batch(*pairs) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("single", "batch", "perfect"), [(stlpips, stlpips_batch, 0.0), (cvvdp, cvvdp_batch, 10.0)])
def test_a_batch_equals_its_pairs_and_equal_images_are_perfect(pairs, single, batch, perfect):
    sr, gt = pairs
    assert batch(sr, gt, chunk=2) == pytest.approx([single(a, b) for a, b in zip(sr, gt, strict=True)], abs=1e-4)
    assert single(gt[0], gt[0]) == pytest.approx(perfect, abs=1e-4)


def test_one_truth_for_all_equals_as_many_copies_of_it(pairs):
    sr, gt = pairs
    assert stlpips_batch(sr, gt[:1], chunk=2) == pytest.approx(
        stlpips_batch(sr, np.broadcast_to(gt[:1], gt.shape)), abs=1e-6
    )


def test_the_finest_grid_is_seen() -> None:
    """At a picture's own size on the display it would cost a tenth of this."""
    y, x = np.indices((96, 96))
    clean = np.rint(128 + 60 * np.sin(x / 15) * np.cos(y / 11))[..., None].repeat(3, -1)
    grid = clean + 4 * (1 - 2 * ((x + y) % 2))[..., None]
    assert cvvdp(grid.astype(np.uint8), clean.astype(np.uint8)) < 9
