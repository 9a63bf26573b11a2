"""Reads scores out of the distribution over score tokens at the first answer position.

The tokens are plain letters and digits, so every tokenizer of a chat model has them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Tokenizer(Protocol):
    def encode(self, text: str, add_special_tokens: bool = ...) -> list[int]: ...


@dataclass(frozen=True)
class Reading:
    """An expectation over one token set and the probability mass that lay on the set."""

    value: float
    mass: float


@dataclass(frozen=True)
class ScoreTokens:
    """Token ids of the score levels in one tokenizer, with their values, ascending."""

    quality: dict[int, float]
    fidelity: dict[int, float]

    @classmethod
    def of(cls, tokenizer: Tokenizer, quality: Mapping[str, float], fidelity: Mapping[str, float]) -> "ScoreTokens":
        """Raises ValueError if a level is not a single token of this tokenizer."""
        return cls(_single_tokens(tokenizer, quality), _single_tokens(tokenizer, fidelity))

    @property
    def ids(self) -> list[int]:
        return [*self.quality, *self.fidelity]


def _single_tokens(tokenizer: Tokenizer, levels: Mapping[str, float]) -> dict[int, float]:
    ids = {}
    for text, value in levels.items():
        tokens = tokenizer.encode(text, add_special_tokens=False)
        if len(tokens) != 1:
            raise ValueError(f"score level {text!r} is {len(tokens)} tokens in this tokenizer, expected 1")
        ids[tokens[0]] = value
    return ids


def read(levels: Mapping[int, float], logprobs: Mapping[int, float]) -> Reading:
    """Expectation of `levels` (token id -> value) under `logprobs` (natural logs, over the whole vocabulary),
    renormalised to the set. A missing token id raises KeyError: a reading is never made from part of the set."""
    weights = {token: math.exp(logprobs[token]) for token in levels}
    mass = sum(weights.values())
    value = sum(levels[token] * weight for token, weight in weights.items()) / mass if mass > 0 else math.nan
    return Reading(value, mass)


@dataclass(frozen=True)
class Confidence:
    """A share in [0, 1], and which of the readings it is of."""

    share: float
    of: str


def confidence(q_lr: Reading, fidelity: Reading, q_sr: Reading, joint: bool) -> Confidence:
    """Share in [0, 1] of the mass that a trained judge puts on a token set, the least of the three (ours).

    `joint`: F and Q_SR are read at one position, half of the mass each; a judge that answers with letters alone has
    no Q_SR.
    """
    owed = 0.5 if joint else 1.0
    shares = {
        "the letter of F": fidelity.mass / owed,
        "the digit of Q_SR": q_sr.mass / owed,
        "the digit of Q_LR": q_lr.mass,
    }
    return min((Confidence(share, of) for of, share in shares.items()), key=lambda least: least.share)
