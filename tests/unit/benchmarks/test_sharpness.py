import numpy as np
import pytest

from benchmarks.sharpness import GAMMAS, SHOWN, with_rewards


def test_a_lower_gamma_prefers_the_faithful_picture() -> None:
    table = {name: np.ones((1, 2)) for name in SHOWN} | {"f": np.array([[0.3, 0.2]]), "q_lr": np.full((1, 2), 2.0)}
    table["q_sr"] = np.array([[2.6, 3.0]])
    rewards = with_rewards(table)
    assert rewards["gamma 7"].argmax() == 1 and rewards["gamma 1"].argmax() == 0


def test_at_full_fidelity_every_reward_is_the_quality() -> None:
    table = {name: np.ones((1, 2)) for name in SHOWN} | {"q_lr": np.full((1, 2), 2.0), "q_sr": np.array([[2.5, 3.0]])}
    rewards = with_rewards(table)
    assert all(rewards[f"gamma {gamma:g}"][0].tolist() == pytest.approx([2.5, 3.0]) for gamma in GAMMAS)
