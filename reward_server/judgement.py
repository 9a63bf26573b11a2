"""Turns log probabilities at the answer position into a candidate's outcome, wherever vLLM computed them."""

from dataclasses import dataclass

from oars.compass.formula import outcome
from oars.compass.outcome import CandidateOutcome, Failed
from oars.compass.prompt import ScoreTokens, confidence, read
from oars.config import RewardConfig

Logprobs = dict[int, float]
"""Token id -> natural logarithm of its probability over the whole vocabulary."""


@dataclass(frozen=True)
class Judged:
    """A candidate's outcome, and the judge's own F where it was read."""

    outcome: CandidateOutcome
    fidelity: float | None = None


def judged(
    tokens: ScoreTokens,
    source: Logprobs | Failed,
    transition: Logprobs | Failed,
    fidelity: float | None,
    gamma: float | None,
    config: RewardConfig,
) -> Judged:
    """The answers to a group's input prompt and to one transition prompt; `fidelity` and `gamma`, if given, replace the
    judge's and the config's."""
    if isinstance(transition, Failed):
        return Judged(transition)
    own = read(tokens.fidelity, transition)
    if isinstance(source, Failed):
        return Judged(source, own.value)
    q_lr, q_sr = read(tokens.quality, source), read(tokens.quality, transition)
    value = own.value if fidelity is None else fidelity
    mass = confidence(q_lr, own, q_sr)
    scored = outcome(
        value, q_lr.value, q_sr.value, mass, config.gamma if gamma is None else gamma, config.min_confidence
    )
    return Judged(scored, own.value)
