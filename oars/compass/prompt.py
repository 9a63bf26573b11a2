"""The two prompts of the judge and the tokens that its scores are read from.

Both begin with the LR image, so a group's K transition prompts and its one input prompt share that prefix.
  input prompt       LR           -> Q_LR, read once a group: it cannot depend on any candidate.
  transition prompt  LR, then SR  -> F and Q_SR, read at one position from two disjoint token sets.
Each answer is the distribution over score tokens at the first answer position: one prefill, one decoded position, no
text to parse. The tokens are plain letters and digits, so a stock Qwen3-VL tokenizer has them. The paper states neither
prompt nor answer format: both are ours; reading an expectation over score tokens is Edit-R1's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

PROMPT_VERSION = "compass-1"

IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
END = "<|im_end|>"
_PREFIX = f"<|im_start|>user\nInput: {IMAGE}\n"
_ANSWER = f"{END}\n<|im_start|>assistant\n"
INPUT_PROMPT = f"{_PREFIX}Rate the quality of the input, 1 to 5.{_ANSWER}"
TRANSITION_PROMPT = (
    f"{_PREFIX}Output: {IMAGE}\nRate how faithful the output is, A to F, and its quality, 1 to 5.{_ANSWER}"
)

QUALITY_LEVELS: dict[str, float] = {"1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0, "5": 5.0}
FIDELITY_LEVELS: dict[str, float] = {"A": 0.0, "B": 0.2, "C": 0.4, "D": 0.6, "E": 0.8, "F": 1.0}


class Tokenizer(Protocol):
    def encode(self, text: str, add_special_tokens: bool = ...) -> list[int]: ...


@dataclass(frozen=True)
class Reading:
    """An expectation over one token set and the probability mass that lay on the set."""

    value: float
    mass: float


@dataclass(frozen=True)
class ScoreTokens:
    """Token ids of the score levels in one tokenizer, with their values."""

    quality: dict[int, float]
    fidelity: dict[int, float]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "ScoreTokens":
        """Raises ValueError if a level is not a single token of this tokenizer."""
        return cls(_single_tokens(tokenizer, QUALITY_LEVELS), _single_tokens(tokenizer, FIDELITY_LEVELS))

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


def confidence(q_lr: Reading, fidelity: Reading, q_sr: Reading) -> float:
    """Share in [0, 1] of the mass that a trained judge puts on a token set, the least of the three (ours).

    F and Q_SR are read at one position, half of the mass each: a judge that answers with letters alone has no Q_SR.
    """
    return min(q_lr.mass, 2 * fidelity.mass, 2 * q_sr.mass)
