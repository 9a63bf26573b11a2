"""How far two halves of the groups agree about a step."""

import pytest
import torch

from benchmarks.step_noise import agreements


def test_a_few_strong_elements_agree_and_the_signs_of_noise_do_not() -> None:
    gradients = 0.01 * torch.randn(8, 10_000, generator=torch.Generator().manual_seed(0))
    gradients[:, :20] += 1.0  # what all groups share
    found = agreements(gradients, 4)
    assert found["gradient"] > 0.95 and found["signs"] < 0.1


def test_lots_are_disjoint() -> None:
    gradients = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert agreements(gradients, 1)["gradient"] == pytest.approx(1.0)
    assert agreements(gradients, 2)["gradient"] == pytest.approx(0.0)
