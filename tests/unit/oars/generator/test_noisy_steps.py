"""Flow-GRPO's SDE on Gaussian data, where the velocity and all marginals are known."""

import torch

from oars.generator.sampler import denoise, denoise_with_noise
from oars.seeds import seeded_noise

MEAN, STD = 0.8, 0.5


def velocity(x: torch.Tensor, t: torch.Tensor, std: float = STD) -> torch.Tensor:
    """E[noise - x_0 | x_t = x] for x_0 ~ N(MEAN, std^2)."""
    t = t.view(-1, 1, 1)
    variance = (1 - t) ** 2 * std**2 + t**2
    return -MEAN + (t - (1 - t) * std**2) / variance * (x - (1 - t) * MEAN)


NOISE = seeded_noise((4, 5000, 1), "initial")


def test_the_sde_has_the_marginal_of_the_ode() -> None:
    times = torch.linspace(1, 0, 201)
    fresh = seeded_noise((4, 198, 5000, 1), "steps")
    x0 = denoise_with_noise(velocity, NOISE, times, "euler", fresh, 0.7)
    ode = denoise(velocity, NOISE, times, "euler")
    for drawn in (x0, ode):
        torch.testing.assert_close(drawn.mean(), torch.tensor(MEAN), atol=0.01, rtol=0)
        torch.testing.assert_close(drawn.std(), torch.tensor(STD), atol=0.01, rtol=0)
    correlation = torch.corrcoef(torch.stack([x0.flatten(), ode.flatten()]))[0, 1]
    assert correlation < 0.5, "it is not the ODE's way"


def test_half_way_it_has_the_marginal_of_the_flow() -> None:
    times = torch.linspace(1, 0.5, 101)
    fresh = seeded_noise((4, 100, 5000, 1), "steps")
    x = denoise_with_noise(velocity, NOISE, times, "euler", fresh, 0.7)
    torch.testing.assert_close(x.mean(), torch.tensor(0.5 * MEAN), atol=0.01, rtol=0)
    torch.testing.assert_close(x.std(), torch.tensor((0.25 * STD**2 + 0.25) ** 0.5), atol=0.01, rtol=0)


def test_without_noisy_steps_or_noise_it_is_the_ode() -> None:
    times = torch.tensor([1.0, 0.86, 0.7, 0.51, 0.29, 0.02, 0.0])
    none = denoise_with_noise(velocity, NOISE, times, "dpm2m", torch.empty(4, 0, 5000, 1), 0.7)
    assert torch.equal(none, denoise(velocity, NOISE, times, "dpm2m"))
    silent = denoise_with_noise(velocity, NOISE, times, "euler", torch.ones(4, 4, 5000, 1), 0.0)
    torch.testing.assert_close(silent, denoise(velocity, NOISE, times, "euler"))


def test_noise_in_four_of_six_steps_is_removed_again() -> None:
    """On Qwen's schedule; in the fifth, the long step to its terminal time, it stays."""
    times, fresh = torch.tensor([1.0, 0.86, 0.7, 0.51, 0.29, 0.02, 0.0]), seeded_noise((4, 5, 5000, 1), "steps")
    none, four, five = (
        denoise_with_noise(lambda x, t: velocity(x, t, 0.05), NOISE, times, "euler", fresh[:, :count], 0.7).std()
        for count in (0, 4, 5)
    )
    assert four - none < 0.02 and five > 0.1
