"""Prompts of annotation to a multimodal model, and parsers of its answers. Pure: the engine is
services/reward_modeling/annotators.py.

Three questions: how good is this picture (stage 1, a reasoning rater such as Q-Insight), which of two looks better
(stage 2, read from the probabilities of two tokens, in both orders, so that a preference for a place cancels), and why
(explanations). Wordings are defaults of ours: a checkpoint that was trained with its own is given that by config.
"""

import re
from collections.abc import Mapping

RATING_QUESTION = (
    "Rate the visual quality of this picture with a number from 1 (very poor) to 5 (excellent), two decimals. "
    "Think first, inside <think> </think>; then give the number alone inside <answer> </answer>."
)
COMPARISON_QUESTION = (
    "Two restorations of one photo: first picture A, then picture B. Which looks better to a person, A or B? "
    "Answer with one letter."
)
EXPLANATION_QUESTION = (
    "The first picture is a low-quality input, the second a restoration of it. Measured by people-calibrated metrics, "
    "the input's quality is {q_lr:.1f} and the restoration's {q:.1f} of 5{fidelity}. In two sentences, say what a "
    "person would see that explains it: what was restored, what was lost or invented."
)
LETTERS = ("A", "B")

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def read_rating(text: str) -> float | None:
    """The last number inside the last <answer>, or of an answer without tags; None if there is none in 1..5."""
    answers = _ANSWER.findall(text)
    # A chain of thought that was cut off before it answered mentions numbers that are no rating.
    if not answers and "<think>" in text:
        return None
    numbers = _NUMBER.findall(answers[-1] if answers else text)
    if not numbers:
        return None
    rating = float(numbers[-1])
    return rating if 1 <= rating <= 5 else None


def preference(forward: Mapping[str, float], backward: Mapping[str, float]) -> float | None:
    """Probability that the first picture looks better, from the probabilities of the letters with the first picture at
    A and, in a second question, at B. None if neither letter got any in one of them."""
    at_a, at_b = sum(forward.get(letter, 0) for letter in LETTERS), sum(backward.get(letter, 0) for letter in LETTERS)
    if at_a <= 0 or at_b <= 0:
        return None
    return (forward.get("A", 0) / at_a + backward.get("B", 0) / at_b) / 2


def explanation_question(q_lr: float, q: float, fidelity: float | None) -> str:
    told = "" if fidelity is None else f"; its fidelity to the original is {fidelity:.2f} of 1"
    return EXPLANATION_QUESTION.format(q_lr=q_lr, q=q, fidelity=told)
