"""Flow-GRPO against torch.distributions, and both objectives on a policy of one vector."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from oars.alignment.flow_grpo import GrpoParts, flow_grpo_loss, step_mean, step_std
from oars.alignment.messages import Conditioning, TrainingSample
from oars.alignment.objective import Velocities, objective_loss, part_names, training_points
from oars.alignment.optimality import optimalities
from oars.alignment.training_points import training_times
from oars.config import ObjectiveConfig
from oars.config.alignment import FlowGrpoConfig, OldPolicyConfig
from oars.generator.sampler import denoise_with_noise
from oars.seeds import seeded_noise
from rollout_workers.drawn import step_noises

SHAPE = (3, 6, 4)
T, T_NEXT = torch.tensor([1.0, 0.7, 0.3]), torch.tensor([0.85, 0.5, 0.2])
X, V_OLD, NOISE = (seeded_noise(SHAPE, name) for name in ("x", "v_old", "noise"))


def config_of(kl_weight: float = 0.0, **grpo: float) -> ObjectiveConfig:
    """Without a KL term, unless asked for."""
    return ObjectiveConfig(
        kind="flow_grpo",
        kl_weight=kl_weight,
        timesteps=4,
        flow_grpo=FlowGrpoConfig(**grpo),
        old_policy=OldPolicyConfig(at="sampler"),
    )


def step_of(v: torch.Tensor) -> Normal:
    """The distribution of x_next at X."""
    t, t_next = T.view(-1, 1, 1), T_NEXT.view(-1, 1, 1)
    return Normal(step_mean(X, v, t, t_next, 0.7), step_std(t, t_next, 0.7).expand(SHAPE))


def loss_at(v: torch.Tensor, r: float, config: ObjectiveConfig, v_ref: torch.Tensor | None = None) -> GrpoParts:
    return flow_grpo_loss(v, V_OLD, v_ref, NOISE, T, T_NEXT, torch.full((3,), r), config)


def test_the_ratio_is_that_of_mean_log_probabilities() -> None:
    v = V_OLD + 0.3 * seeded_noise(SHAPE, "moved")
    old, new = step_of(V_OLD), step_of(v)
    x_next = old.mean + old.stddev * NOISE
    log_ratio = (new.log_prob(x_next) - old.log_prob(x_next)).flatten(1).mean(1)
    torch.testing.assert_close(loss_at(v, 1.0, config_of()).ratio, log_ratio.exp(), atol=1e-5, rtol=1e-5)


def test_the_reference_term_is_the_kl_divergence_of_the_steps() -> None:
    v_ref = V_OLD + 0.3 * seeded_noise(SHAPE, "ref")
    parts = loss_at(V_OLD, 0.5, config_of(kl_weight=0.1), v_ref)
    expected = kl_divergence(step_of(V_OLD), step_of(v_ref)).flatten(1).mean(1)
    torch.testing.assert_close(parts.kl, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(parts.total, parts.policy + 0.1 * expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("r", [0.0, 0.3, 1.0])
def test_on_policy_the_ratio_is_one_and_the_gradient_is_the_advantage_times_the_score(r: float) -> None:
    config, v = config_of(), V_OLD.clone().requires_grad_(True)
    parts = loss_at(v, r, config)
    assert parts.ratio.tolist() == [1.0] * 3 and parts.clipped.tolist() == [0.0] * 3
    advantage = config.clip_max * (2 * r - 1)
    torch.testing.assert_close(parts.policy, torch.full((3,), -advantage))
    (slope,) = torch.autograd.grad(parts.total.sum(), v)
    x_next = (step_of(V_OLD).mean + step_of(V_OLD).stddev * NOISE).detach()
    (score,) = torch.autograd.grad(step_of(v).log_prob(x_next).flatten(1).mean(1).sum(), v)
    torch.testing.assert_close(slope, -advantage * score, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("r", "clipped"), [(1.0, True), (0.0, False)])
def test_what_went_too_far_is_pulled_back_but_not_pushed_on(r: float, clipped: bool) -> None:
    v = (V_OLD - 0.05 * NOISE).requires_grad_(True)  # t falls: against the noise is towards x_next
    parts = loss_at(v, r, config_of(clip_range=1e-3))
    assert (parts.ratio > 1.001).all() and (parts.clipped == float(clipped)).all()
    (slope,) = torch.autograd.grad(parts.total.sum(), v)
    assert bool(slope.any()) != clipped


def test_parts_have_names() -> None:
    assert part_names(ObjectiveConfig()) == ("total", "policy", "positive", "negative", "kl")
    assert part_names(config_of()) == ("total", "policy", "kl", "ratio", "clipped")


def test_training_points_are_the_first_steps() -> None:
    times = torch.tensor([1.0, 0.9, 0.7, 0.5, 0.3, 0.02, 0.0])
    assert torch.equal(training_times(times, 7, 3, config_of()), times[:4].expand(3, 4))
    assert torch.equal(training_times(times[1:], 7, 3, config_of()), times[1:5].expand(3, 4))


TIMES = torch.linspace(1, 0, 7)
GOAL = 0.6


class Shift:
    """v of data N(0, 0.5^2), plus a trained vector [C] that moves all pictures."""

    def __init__(self) -> None:
        self.shift = torch.zeros(4, requires_grad=True)

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        t = t.view(-1, 1, 1)
        return x * (t - (1 - t) * 0.25) / ((1 - t) ** 2 * 0.25 + t**2) + self.shift


def sampled(policy: Shift, seed: int, config: ObjectiveConfig) -> TrainingSample:
    """Eight candidates of 2 tokens and 4 channels, as a rollout worker gives them."""
    way: list[tuple[torch.Tensor, torch.Tensor]] = []

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        way.append((x, policy(x, t)))
        return way[-1][1]

    noise, fresh = seeded_noise((8, 2, 4), seed), step_noises((2, 4), seed, 8, config.noisy_steps)
    with torch.no_grad():
        x0 = denoise_with_noise(velocity, noise, TIMES, "euler", fresh, config.flow_grpo.noise)
    t, conditioning = training_times(TIMES, seed, 8, config), Conditioning(torch.zeros(1, 1), noise[0], (1, 2))
    if not config.noisy_steps:
        return TrainingSample("g", seed, 0, conditioning, x0, t, None, None)
    x_t, t_next = torch.stack([x for x, _ in way[:4]], 1), training_times(TIMES[1:], seed, 8, config)
    return TrainingSample("g", seed, 0, conditioning, x0, t, None, None, x_t, t_next)


@pytest.mark.parametrize("config", [config_of(), ObjectiveConfig(timesteps=4, kl_weight=0.0)], ids=lambda c: c.kind)
def test_a_policy_that_is_trained_on_its_own_samples_earns_more(config: ObjectiveConfig) -> None:
    policy = Shift()
    optimiser = torch.optim.Adam([policy.shift], lr=0.03)
    points = [(k, j) for k in range(8) for j in range(4)]
    rewards = []
    for step in range(60):
        sample = sampled(policy, step, config)
        reward = -(sample.x0 - GOAL).square().flatten(1).mean(1)
        rewards.append(reward.mean().item())
        (r,) = optimalities([reward.double().numpy()], config.optimality)
        x_t, t = training_points(sample, points, config)
        v = policy(x_t, t)
        optimality = torch.tensor([r[k] for k, _ in points])
        velocities = Velocities(v, v.detach(), None)
        optimiser.zero_grad()
        objective_loss(velocities, x_t, t, sample, points, optimality, config).total.mean().backward()
        optimiser.step()
    first, last = sum(rewards[:8]) / 8, sum(rewards[-8:]) / 8
    assert last > 0.7 * first, (first, last)
    assert policy.shift.max() < 0, "against the velocity is towards the goal"
