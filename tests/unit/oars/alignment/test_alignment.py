"""Optimality, group filter, old-policy schedules, seeds and training points."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oars.alignment.old_policy import old_is_current, old_policy_eta
from oars.alignment.optimality import is_degenerate, optimalities, signal
from oars.alignment.training_points import training_point, training_times
from oars.config import ObjectiveConfig
from oars.config.alignment import GroupFilterConfig, OldPolicyConfig, OptimalityConfig, Spread
from oars.seeds import derive_seed, seeded_noise

reward_groups = st.lists(
    st.lists(st.floats(-0.45, 5), min_size=1, max_size=8).map(lambda r: np.array(r)), min_size=1, max_size=5
)


spreads = st.sampled_from(get_args(Spread))


@given(reward_groups, spreads)
def test_optimality_is_in_the_unit_interval_and_ordered_as_the_rewards(
    groups: list[np.ndarray], spread: Spread
) -> None:
    for rewards, r in zip(groups, optimalities(groups, OptimalityConfig(spread=spread)), strict=True):
        assert r.shape == rewards.shape
        assert ((r >= 0) & (r <= 1)).all()
        order = np.argsort(rewards)
        assert (np.diff(r[order]) >= 0).all()


def test_a_group_of_equal_rewards_is_neither_good_nor_bad() -> None:
    assert np.allclose(optimalities([np.full(4, 3.0)], OptimalityConfig())[0], 0.5)


def test_optimality_by_hand() -> None:
    rewards = np.array([1.0, 3.0])
    spread = 5 * (1.0 + 1e-4)
    assert np.allclose(optimalities([rewards], OptimalityConfig())[0], [0.5 - 0.5 / spread, 0.5 + 0.5 / spread])


@given(reward_groups, st.floats(-100, 100))
def test_a_groups_own_spread_knows_nothing_of_other_groups(groups: list[np.ndarray], distance: float) -> None:
    alone = optimalities(groups[:1], OptimalityConfig(spread="group"))
    beside = optimalities(
        [groups[0], *(rewards + distance for rewards in groups[1:])], OptimalityConfig(spread="group")
    )
    assert np.array_equal(alone[0], beside[0])


@given(reward_groups, st.floats(-100, 100))
def test_how_far_apart_groups_lie_counts_in_the_batchs_spread_alone(groups: list[np.ndarray], distance: float) -> None:
    moved = [groups[0] + distance, *groups[1:]]
    for before, after in zip(
        *(optimalities(g, OptimalityConfig(spread="within")) for g in (groups, moved)), strict=True
    ):
        assert np.allclose(before, after, atol=1e-4)


def test_spreads_by_hand() -> None:
    groups = [np.array([1.0, 1.2]), np.array([3.0, 3.4])]  # own spreads 0.1 and 0.2, pooled sqrt(0.025), batch 1.043
    expected = {"group": [0.1, 0.2], "within": [0.025**0.5] * 2, "batch": [float(np.std(np.concatenate(groups)))] * 2}
    for spread, stds in expected.items():
        r = optimalities(groups, OptimalityConfig(spread=spread))
        differences = [0.1 / (5 * (stds[0] + 1e-4)), 0.2 / (5 * (stds[1] + 1e-4))]
        assert np.allclose([r[0][1], r[1][1]], [0.5 + 0.5 * d for d in differences])


@given(reward_groups)
def test_the_signal_of_a_wider_spread_is_weaker(groups: list[np.ndarray]) -> None:
    """The batch's variance is that within groups plus that between them."""
    signals = [
        signal(np.concatenate(optimalities(groups, OptimalityConfig(spread=spread))).tolist())
        for spread in ("within", "batch")
    ]
    assert 0 <= signals[1] <= signals[0] + 1e-6 <= 1 + 1e-6


def test_the_signal_leaves_out_what_has_no_optimality() -> None:
    assert signal([0.5, None, 1.0, 0.25]) == pytest.approx(0.5)
    assert signal([None]) == 0.0


def test_an_advantage_offset_raises_the_mean_and_keeps_the_order() -> None:
    groups = [np.array([1.0, 3.0]), np.array([2.0, 2.0])]
    published = optimalities(groups, OptimalityConfig())
    pulled = optimalities(groups, OptimalityConfig(advantage_offset=0.5))
    spread = np.std(np.concatenate(published))
    for plain, raised in zip(published, pulled, strict=True):
        assert np.allclose(raised - plain, 0.5 * spread)


@given(reward_groups, st.floats(0, 10))
def test_an_advantage_offset_stays_in_the_unit_interval(groups: list[np.ndarray], pull: float) -> None:
    for r in optimalities(groups, OptimalityConfig(advantage_offset=pull)):
        assert ((r >= 0) & (r <= 1)).all()


def test_the_filter_drops_only_groups_that_are_good_and_alike() -> None:
    config = GroupFilterConfig()
    assert is_degenerate(np.array([4.9, 4.9, 4.95]), config, best=5.0)
    assert not is_degenerate(np.array([3.0, 3.0, 3.0]), config, best=5.0)
    assert not is_degenerate(np.array([5.0, 5.0, 4.0, 5.0]), config, best=5.0)


@given(st.integers(1, 5000))
def test_old_policy_schedules(step: int) -> None:
    assert old_policy_eta(step, OldPolicyConfig()) == min(0.001 * step, 0.5)
    assert old_policy_eta(step, OldPolicyConfig(schedule="copy")) == 0.0
    delayed = old_policy_eta(step, OldPolicyConfig(schedule="delayed_linear"))
    assert (delayed == 0.0) == (step <= 75)
    assert delayed == min(0.0075 * max(step - 75, 0), 0.999)
    assert old_policy_eta(step, OldPolicyConfig(slope=0.002)) == min(0.002 * step, 0.5)


@given(st.integers(0, 200))
def test_old_is_current_at_the_start_and_where_eta_is_nil(steps: int) -> None:
    assert old_is_current(steps, OldPolicyConfig()) == (steps == 0)
    assert old_is_current(steps, OldPolicyConfig(slope=0.0))
    assert old_is_current(steps, OldPolicyConfig(schedule="copy"))
    assert old_is_current(steps, OldPolicyConfig(schedule="delayed_linear")) == (steps <= 75)


@given(st.integers(0, 2**40), st.text(max_size=8), st.integers(0, 100))
def test_seeds_are_stable_and_distinct(seed: int, label: str, k: int) -> None:
    assert derive_seed(seed, label, k) == derive_seed(seed, label, k)
    assert derive_seed(seed, label, k) != derive_seed(seed, label, k + 1)
    assert 0 <= derive_seed(seed, label, k) < 2**63


@given(st.integers(0, 2**40), st.integers(1, 8), st.integers(1, 8))
def test_training_times_are_distinct_rollout_times(seed: int, candidates: int, count: int) -> None:
    times = torch.tensor([1.0, 0.9, 0.7, 0.5, 0.3, 0.02, 0.0])
    chosen = training_times(times, seed, candidates, ObjectiveConfig(timesteps=count))
    assert chosen.shape == (candidates, min(count, 6))
    assert set(chosen.flatten().tolist()) <= set(times[:-1].tolist())
    assert (chosen.diff() < 0).all()


def test_candidates_share_their_times_where_time_is_the_normaliser() -> None:
    times = torch.linspace(1, 0, 9)
    own = training_times(times, 7, 16, ObjectiveConfig(timesteps=3))
    shared = training_times(times, 7, 16, ObjectiveConfig(timesteps=3, normaliser="time"))
    assert len(own.unique(dim=0)) > 1
    torch.testing.assert_close(shared, own[:1].expand(16, 3))


def test_a_training_point_at_time_one_is_the_noise_that_the_seed_writes() -> None:
    x0 = torch.full((4, 2), 9.0)
    noise = seeded_noise((4, 2), 5, "train", 1, 2)
    own = ObjectiveConfig()
    torch.testing.assert_close(training_point(x0, torch.tensor(1.0), 5, 1, 2, own), noise)
    torch.testing.assert_close(training_point(x0, torch.tensor(0.25), 5, 1, 2, own), 0.75 * x0 + 0.25 * noise)


def test_candidates_may_share_the_noise_of_their_training_points() -> None:
    x0, at, shared = torch.zeros(4, 2), torch.tensor(1.0), ObjectiveConfig(shared_noise=True)
    first, second = (training_point(x0, at, 5, k, 2, shared) for k in (0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, training_point(x0, at, 5, 0, 3, shared))
