import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.training.targets import gaussian, ranking_losses, slot_losses, two_hot
from oars.config.judge_training import TargetConfig

LEVELS = {7: 1.0, 3: 2.0, 9: 3.0, 4: 4.0, 0: 5.0}  # token id -> value
VALUES = torch.arange(1.0, 6.0)
label = st.floats(1, 5)


@given(label)
def test_two_hot_is_a_distribution_with_the_labels_expectation(value):
    weights = two_hot(torch.tensor([value]), VALUES)
    assert weights.sum().item() == pytest.approx(1, abs=1e-5)
    assert (weights * VALUES).sum().item() == pytest.approx(value, abs=1e-4)
    assert (weights > 0).sum() <= 2


@given(label, st.floats(0.2, 2))
def test_gaussian_is_a_distribution_that_falls_with_distance(value, sigma):
    weights = gaussian(torch.tensor([value]), VALUES, sigma)[0]
    assert weights.sum().item() == pytest.approx(1, abs=1e-5)
    nearest_first = (VALUES - value).abs().argsort()
    assert (weights[nearest_first].diff() <= 1e-6).all()


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))
def test_a_farther_level_costs_more(truth, near, far):
    """An answer that is sure of one level; with labels between levels, neighbours are not equally wrong."""
    losses = []
    for level in (near, far):
        logits = torch.full((1, 12), -20.0)
        logits[0, list(LEVELS)[level]] = 20.0
        labels = torch.tensor([VALUES[truth].item()])
        config = TargetConfig(kind="gaussian", expectation_weight=4.0)
        losses.append(slot_losses(logits.log_softmax(-1), LEVELS, labels, config).item())
    if abs(truth - near) < abs(truth - far):
        assert losses[0] < losses[1]


@given(
    st.lists(st.one_of(label, st.just(float("nan"))), min_size=1, max_size=6), st.sampled_from(["two_hot", "gaussian"])
)
def test_an_unlabelled_row_costs_nothing_and_teaches_nothing(labels, kind):
    logits = torch.randn(len(labels), 12, generator=torch.Generator().manual_seed(0)).requires_grad_()
    told = torch.tensor(labels)
    losses = slot_losses(logits.log_softmax(-1), LEVELS, told, TargetConfig(kind=kind))
    losses.sum().backward()
    unknown = told.isnan()
    assert torch.isfinite(losses).all()
    assert (losses[unknown] == 0).all() and (losses[~unknown] > 0).all()
    assert logits.grad is not None and (logits.grad[unknown] == 0).all()


def test_the_loss_is_least_where_the_answer_is_the_target():
    labels = torch.tensor([2.3])
    perfect = two_hot(labels, VALUES).clamp(min=1e-9).log()
    logits = torch.full((1, 12), -30.0)
    logits[:, list(LEVELS)] = perfect
    at_target = slot_losses(logits.log_softmax(-1), LEVELS, labels, TargetConfig())
    for token in (3, 9):  # the levels 2 and 3, around the label
        moved = logits.clone()
        moved[0, token] += 1
        assert slot_losses(moved.log_softmax(-1), LEVELS, labels, TargetConfig()) > at_target


group = st.lists(label, min_size=2, max_size=6)


@given(group, st.floats(-1, 1))
def test_the_order_loss_is_least_where_differences_are_right(labels, shift):
    """Whatever the level: a shift of all readings costs nothing."""
    told = torch.tensor([labels], dtype=torch.float64)
    right, moved = (ranking_losses(told + s, told, 4.0, TargetConfig()).item() for s in (shift, 0.0))
    assert right == pytest.approx(moved, abs=1e-6)
    worse = told + torch.linspace(0, 0.5, told.shape[1], dtype=torch.float64)
    assert ranking_losses(worse, told, 4.0, TargetConfig()).item() >= right - 1e-9
