"""What was drawn once is drawn again."""

import random
from pathlib import Path

import numpy as np
import torch

from learner.random_state import random_state, set_random_state


def draws() -> list[float]:
    return [
        random.random(),
        random.gauss(0, 1),
        float(np.random.rand()),
        float(np.random.randn()),
        torch.rand(1).item(),
    ]


def test_every_generator_goes_on_from_a_saved_state(tmp_path: Path) -> None:
    draws()
    torch.save(random_state(), tmp_path / "rng.pt")
    expected = draws()
    draws()
    set_random_state(torch.load(tmp_path / "rng.pt", weights_only=True))
    assert draws() == expected
