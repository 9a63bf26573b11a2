"""Thurstone and Bradley-Terry: symmetric, in the right order, and equal to what the model itself generated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, ndtr

from oars.compass.annotation.ranking import Model, aggregate, to_unit

MODELS: tuple[Model, ...] = ("thurstone", "bradley_terry")
LINKS = {"thurstone": ndtr, "bradley_terry": expit}
probabilities = st.floats(0.0, 1.0)


def wins_of(upper: list[float], count: int) -> np.ndarray:
    wins = np.zeros((count, count))
    wins[np.triu_indices(count, 1)] = upper
    return wins + np.tril(1 - wins.T, -1)


@st.composite
def tournaments(draw: st.DrawFn) -> np.ndarray:
    count = draw(st.integers(2, 7))
    size = count * (count - 1) // 2
    return wins_of(draw(st.lists(probabilities, min_size=size, max_size=size)), count)


@pytest.mark.parametrize("model", MODELS)
@given(wins=tournaments(), prior=st.floats(0.01, 1.0))
def test_scores_are_finite_sum_to_zero_and_follow_the_pictures(model: Model, wins: np.ndarray, prior: float) -> None:
    scores = aggregate(wins, model, prior)
    assert np.isfinite(scores).all() and abs(scores.sum()) < 1e-6
    order = np.random.default_rng(0).permutation(len(wins))
    assert np.allclose(aggregate(wins[np.ix_(order, order)], model, prior), scores[order], atol=1e-6)
    assert np.allclose(aggregate(wins.T, model, prior), -scores, atol=1e-6), "who lost each pair is mirrored"


@pytest.mark.parametrize("model", MODELS)
@given(wins=tournaments())
def test_winning_more_never_lowers_the_score(model: Model, wins: np.ndarray) -> None:
    before = aggregate(wins, model, 0.1)
    better = wins.copy()
    better[0, 1:] = np.minimum(1, wins[0, 1:] + 0.2)
    better[1:, 0] = 1 - better[0, 1:]
    after = aggregate(better, model, 0.1)
    assert (after[0] - after[1:] >= before[0] - before[1:] - 1e-6).all()


@pytest.mark.parametrize("model", MODELS)
@given(st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=8))
def test_what_the_model_generates_is_found_again(model: Model, true: list[float]) -> None:
    truth = np.array(true) - np.mean(true)
    wins = LINKS[model](truth[:, None] - truth[None, :])
    assert np.allclose(aggregate(wins, model, 1e-6), truth, atol=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_one_who_always_wins_stays_finite_and_pairs_that_nobody_compared_say_nothing(model: Model) -> None:
    wins = wins_of([1.0, 1.0, 0.5], 3)
    scores = aggregate(wins, model, 0.1)
    assert scores[0] > scores[1] == pytest.approx(scores[2]) and np.isfinite(scores).all()
    unknown = wins.copy()
    unknown[1, 2] = unknown[2, 1] = 0
    assert np.allclose(aggregate(unknown, model, 0.1), scores)
    assert np.allclose(aggregate(np.zeros((3, 3)), model, 0.1), 0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9))
def test_unit_ranks_span_zero_to_one_and_keep_the_order(values: list[float]) -> None:
    scores = np.array(values)
    ranks = to_unit(scores)
    assert ranks.min() >= 0 and ranks.max() <= 1
    if np.ptp(scores) > 0:
        assert (ranks.min(), ranks.max()) == (0, 1)
        assert (np.diff(ranks[np.argsort(scores)]) >= 0).all()
    else:
        assert (ranks == 0.5).all()
