"""The account of where a reward leads among styles."""

import numpy as np

from benchmarks.styles import SHIFT, effects, shifted


def test_effects_are_within_groups() -> None:
    rng = np.random.default_rng(0)
    codes, slopes = rng.standard_normal((5, 16, 3)), np.array([1.0, -2.0, 0.5])
    values = codes @ slopes + 100 * rng.standard_normal((5, 1))  # groups lie far apart
    np.testing.assert_allclose(effects(codes, values), slopes)


def test_metrics_follow_the_mean_gradient_of_the_reward() -> None:
    found = {
        0.0: {"reward": np.array([2.0, 0.0]), "psnr": np.array([1.0, 5.0])},
        1.0: {"reward": np.array([4.0, 0.0]), "psnr": np.array([-1.0, 5.0])},
    }
    assert shifted(found, "reward")["psnr"] == [SHIFT, -SHIFT]
