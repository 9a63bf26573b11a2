"""Answers of multimodal models: what counts as one, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.annotation.vlm import explanation_question, preference, read_rating


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("<think>sharp, 3 flaws</think><answer>4.25</answer>", 4.25),
        ("<think>a</think><answer>The score is 2</answer>", 2.0),
        ("3.50", 3.5),
        ('{"rating": 1.75}', 1.75),
        ("<answer>2</answer> on reflection <answer>3</answer>", 3.0),
        ("<think>it is a 4 or a 5, but wai", None),
        ("<answer>7.5</answer>", None),
        ("<answer>good</answer>", None),
        ("", None),
    ],
)
def test_ratings(text: str, rating: float | None) -> None:
    assert read_rating(text) == rating


@given(st.floats(0.01, 1), st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_preference_is_a_probability_and_swapping_pictures_complements_it(
    a: float, b: float, c: float, d: float
) -> None:
    forward, backward = {"A": a, "B": b}, {"A": d, "B": c}
    first, second = preference(forward, backward), preference(backward, forward)
    assert first is not None and second is not None
    assert 0 <= first <= 1 and first + second == pytest.approx(1)


def test_a_bias_for_one_place_cancels_and_silence_is_no_answer() -> None:
    always_a = {"A": 1.0, "B": 0.0}
    assert preference(always_a, always_a) == 0.5
    assert preference({}, always_a) is None


def test_the_explanation_speaks_of_fidelity_only_where_it_is_known() -> None:
    assert "fidelity" not in explanation_question(2, 3, None)
    assert "0.40 of 1" in explanation_question(2, 3, 0.4)
