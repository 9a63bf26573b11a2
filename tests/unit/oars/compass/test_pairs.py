import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.pairs import consensus, order_of, pair_accuracy, tally

scores = st.lists(st.integers(-5, 5), min_size=2, max_size=7).map(lambda values: np.array(values, float))


@given(scores)
def test_an_order_agrees_with_itself_and_with_any_rising_function_of_it(values):
    assert pair_accuracy(values, values) == 1
    assert pair_accuracy(np.exp(values / 3), values) == 1


@given(scores)
def test_the_reverse_gets_only_ties_right(values):
    counted = tally(-values, order_of(values))
    ties = sum(values[i] == values[j] for i in range(len(values)) for j in range(i))
    assert (counted.right, counted.pairs) == (ties, len(values) * (len(values) - 1) // 2)


@given(scores, scores)
def test_a_brute_force_count_agrees(values, reference):
    size = min(len(values), len(reference))
    values, reference = values[:size], reference[:size]
    right = sum(
        np.sign(values[i] - values[j]) == np.sign(reference[i] - reference[j]) for i in range(size) for j in range(i)
    )
    assert tally(values, order_of(reference)).right == right


@given(scores, scores)
def test_a_consensus_knows_what_all_agree_on(a, b):
    size = min(len(a), len(b))
    one, other = order_of(a[:size]), order_of(b[:size])
    both = consensus([one, other])
    assert (np.isnan(both) == (one != other)).all()
    assert tally(a[:size], both).right == tally(a[:size], both).pairs


def test_unknown_scores_make_no_pairs():
    reference = order_of(np.array([1.0, np.nan, 3.0]))
    assert tally(np.array([1.0, 2.0, 3.0]), reference).pairs == 1
    chosen = np.zeros((3, 3), bool)
    assert tally(np.array([1.0, 2.0, 3.0]), reference, chosen).pairs == 0
    assert pair_accuracy(np.array([1.0, 2.0]), np.array([np.nan, 1.0])) == 0.5
