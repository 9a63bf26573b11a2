"""From log probabilities at the answer position to a candidate's outcome, wherever vLLM computed them."""

from dataclasses import dataclass

from oars.compass.formula import outcome
from oars.compass.outcome import CandidateOutcome, Failed
from oars.compass.prompt import Reading, ScoreTokens, read
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
    confidence = confidence_of(q_lr, own, q_sr)
    scored = outcome(
        value, q_lr.value, q_sr.value, confidence, config.gamma if gamma is None else gamma, config.min_confidence
    )
    return Judged(scored, own.value)


def confidence_of(q_lr: Reading, fidelity: Reading, q_sr: Reading) -> float:
    """The least mass on score tokens over the two answer positions; F and Q_SR share one position."""
    return min(q_lr.mass, fidelity.mass + q_sr.mass)
