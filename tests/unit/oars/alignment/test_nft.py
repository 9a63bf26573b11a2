"""DiffusionNFT against its closed form."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oars.alignment.nft import nft_loss
from oars.config import ObjectiveConfig
from oars.seeds import seeded_noise

SHAPE = (3, 6, 4)


def gradient(beta: float, r: float, at_old: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss per sample and gradient with respect to v_theta."""
    x0, noise, v_old = (seeded_noise(SHAPE, beta > 0, name) for name in ("x0", "noise", "old"))
    t = torch.tensor([0.2, 0.5, 1.0])
    x_t = (1 - t.view(-1, 1, 1)) * x0 + t.view(-1, 1, 1) * noise
    v_theta = (v_old if at_old else v_old + 0.1).clone().requires_grad_(True)
    config = ObjectiveConfig(beta=beta, kl_weight=0.0)
    parts = nft_loss(v_theta, v_old, None, x_t, x0, t, torch.full((3,), r), config)
    parts.total.sum().backward()
    assert v_theta.grad is not None
    return parts.total.detach(), v_theta.grad


@pytest.mark.parametrize("beta", [0.1, 0.5, 1.0, 2.0])
@given(r=st.floats(0, 1))
def test_at_the_old_policy_the_value_ignores_r_and_the_gradient_is_2r_minus_1(beta: float, r: float) -> None:
    value, slope = gradient(beta, r)
    value_one, slope_one = gradient(beta, 1.0)
    torch.testing.assert_close(value, value_one)
    torch.testing.assert_close(slope, (2 * r - 1) * slope_one, atol=1e-6, rtol=1e-4)
    assert slope_one.abs().max() > 1e-4


def test_away_from_the_old_policy_r_matters() -> None:
    assert not torch.allclose(gradient(1.0, 1.0, at_old=False)[0], gradient(1.0, 0.0, at_old=False)[0])


def test_beta_one_with_full_optimality_is_self_normalised_regression_to_the_data() -> None:
    x0, noise, v_theta = (seeded_noise(SHAPE, name) for name in ("x0", "noise", "theta"))
    t = torch.tensor([0.3, 0.6, 0.9])
    x_t = (1 - t.view(-1, 1, 1)) * x0 + t.view(-1, 1, 1) * noise
    config = ObjectiveConfig(beta=1.0, kl_weight=0.0)
    parts = nft_loss(v_theta, torch.zeros_like(x0), None, x_t, x0, t, torch.ones(3), config)
    error = (x_t - t.view(-1, 1, 1) * v_theta - x0).flatten(1)
    torch.testing.assert_close(parts.total, config.clip_max * error.square().mean(1) / error.abs().mean(1))


def test_normalised_by_time_it_is_the_flow_matching_loss_weighted_by_time() -> None:
    x0, noise, v_theta = (seeded_noise(SHAPE, name) for name in ("x0", "noise", "theta"))
    t = torch.tensor([0.3, 0.6, 0.9])
    x_t = (1 - t.view(-1, 1, 1)) * x0 + t.view(-1, 1, 1) * noise
    config = ObjectiveConfig(beta=1.0, kl_weight=0.0, normaliser="time")
    parts = nft_loss(v_theta, torch.zeros_like(x0), None, x_t, x0, t, torch.ones(3), config)
    flow_matching = (v_theta - (noise - x0)).square().flatten(1).mean(1)
    torch.testing.assert_close(parts.total, config.clip_max * t * flow_matching)


@pytest.mark.parametrize("r", [0.0, 0.3, 1.0])
def test_without_the_mean_what_all_tokens_share_gets_no_gradient(r: float) -> None:
    """Whatever the candidates' means, and however they go with the reward."""
    config = ObjectiveConfig(without_mean=True, normaliser="time", kl_weight=0.0)
    x0, t = torch.randn(3, 4, 2), torch.tensor([0.2, 0.6, 0.9])
    v_theta = torch.randn(3, 4, 2, requires_grad=True)
    loss = nft_loss(v_theta, torch.randn(3, 4, 2), None, torch.randn(3, 4, 2), x0, t, torch.full((3,), r), config)
    loss.total.sum().backward()
    assert v_theta.grad is not None and v_theta.grad.abs().max() > 1e-3
    torch.testing.assert_close(v_theta.grad.mean(1), torch.zeros(3, 2), atol=1e-6, rtol=0)


def test_the_mean_is_pulled_to_the_reference_s_and_the_rest_is_not() -> None:
    config = ObjectiveConfig(without_mean=True, normaliser="time", kl_weight=0.0, mean_weight=3.0)
    assert config.needs_reference
    x0, t, ref = torch.randn(3, 4, 2), torch.tensor([0.2, 0.6, 0.9]), torch.randn(3, 4, 2)
    v_theta = torch.randn(3, 4, 2, requires_grad=True)
    given = (torch.randn(3, 4, 2), ref, torch.randn(3, 4, 2), x0, t, torch.full((3,), 0.3))
    free = config.model_copy(update={"mean_weight": 0.0})
    pull = nft_loss(v_theta, *given, config).total.sum() - nft_loss(v_theta, *given, free).total.sum()
    (gradient,) = torch.autograd.grad(pull, v_theta)
    off = (v_theta - ref).mean(1, keepdim=True).detach()
    torch.testing.assert_close(gradient, (3.0 * 2 * off / (4 * 2)).expand(-1, 4, -1))


def test_the_reference_is_evaluated_only_where_the_loss_reads_it() -> None:
    assert not ObjectiveConfig(kl_weight=0.0).needs_reference
    assert ObjectiveConfig(kl_weight=0.1).needs_reference
    unread = {"kind": "flow_grpo", "kl_weight": 0.0, "mean_weight": 3.0, "old_policy": {"at": "sampler"}}
    grpo = ObjectiveConfig.model_validate(unread)
    assert not grpo.needs_reference


def test_the_normaliser_has_a_floor() -> None:
    zeros = torch.zeros(SHAPE)
    parts = nft_loss(zeros, zeros, None, zeros, zeros, torch.full((3,), 0.5), torch.ones(3), ObjectiveConfig())
    assert torch.isfinite(parts.total).all()


def test_kl_is_the_squared_distance_to_the_reference() -> None:
    v, ref, other = (seeded_noise(SHAPE, name) for name in ("v", "ref", "other"))
    t, r = torch.full((3,), 0.5), torch.full((3,), 0.5)
    without = nft_loss(v, v, None, other, other, t, r, ObjectiveConfig(kl_weight=0.0)).total
    with_kl = nft_loss(v, v, ref, other, other, t, r, ObjectiveConfig(kl_weight=0.1))
    torch.testing.assert_close(with_kl.total - without, 0.1 * (v - ref).square().flatten(1).mean(1))
