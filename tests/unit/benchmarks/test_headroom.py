"""The account of a group's candidates: who is told apart, who is ordered, what choosing gains."""

import math

import numpy as np

from benchmarks.headroom import summary


def test_pairs_told_apart_are_counted_and_ordered_by_the_reward() -> None:
    table = {
        "stlpips": np.array([[0.30, 0.28, 0.275]]),  # 0 to 1 and 0 to 2 are a hundredth apart
        "cvvdp": np.array([[5.0, 5.05, 5.01]]),  # none is a tenth apart
        "psnr": np.array([[25.0, 25.0, 25.2]]),
        "reward": np.array([[0.5, 0.9, 0.4]]),  # right about 0 and 1, wrong about 0 and 2
    }
    found = summary(table)
    assert found["stlpips apart"] == 2 / 3 and found["stlpips ordered"] == 1 / 2
    assert found["cvvdp apart"] == 0 and math.isnan(found["cvvdp ordered"])
    np.testing.assert_allclose(found["stlpips of the best by reward"], 0.28 - 0.285)
    np.testing.assert_allclose(found["cvvdp of the best by reward"], 5.05 - 5.02)
