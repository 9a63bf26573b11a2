"""Turns log probabilities at the answer position into a candidate's readings, wherever vLLM computed them."""

from oars.compass.formula import judged
from oars.compass.outcome import Failed, Judged
from oars.compass.prompt import ScoreTokens, confidence, read

Logprobs = dict[int, float]
"""Token id -> natural logarithm of its probability over the whole vocabulary."""


def judgement(
    tokens: ScoreTokens, source: Logprobs | Failed, transition: Logprobs | Failed, min_confidence: float
) -> Judged | Failed:
    """The readings of a candidate, from the answers to its group's input prompt and to its transition prompt."""
    if isinstance(transition, Failed):
        return transition
    if isinstance(source, Failed):
        return source
    fidelity = read(tokens.fidelity, transition)
    q_lr, q_sr = read(tokens.quality, source), read(tokens.quality, transition)
    return judged(fidelity.value, q_lr.value, q_sr.value, confidence(q_lr, fidelity, q_sr), min_confidence)
