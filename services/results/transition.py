"""Scores one enhancement, LR -> SR: whole, or in tiles if it is larger than the judge takes.

Two scorers: a COMPASS that is served somewhere, and the judge loaded in this process.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from oars.compass.formula import outcome
from oars.compass.outcome import CandidateOutcome, Failed
from oars.config import JudgeConfig, RewardClientConfig
from oars.imaging.image_io import Pixels
from reward_server.checkpoint import judge_digest, judge_directory
from reward_server.client import SyncCompassClient, probe
from reward_server.pictures import prepare


@dataclass(frozen=True)
class Verdict:
    """F in [0, 1], Q in [1, 5], R and confidence: means over the tiles (ours)."""

    fidelity: float
    q_lr: float
    q_sr: float
    reward: float
    confidence: float
    tiles: int


class Scorer(Protocol):
    @property
    def judge(self) -> str:
        """Readable name of the judge."""

    @property
    def max_pixels(self) -> int:
        """Largest area of a picture that it judges at once."""

    def score(self, lr: Pixels, sr: Pixels) -> CandidateOutcome: ...


def verdict(lr: Pixels, sr: Pixels, scorer: Scorer) -> Verdict | Failed:
    """LR uint8 [h, w, 3] and SR uint8 [H, W, 3] of the same scene. A tile without a score fails the whole."""
    scores = []
    for piece in tiles(lr, sr, scorer.max_pixels):
        result = scorer.score(*piece)
        if isinstance(result, Failed):
            return result
        scores.append(result)
    names = [field.name for field in fields(Verdict) if field.name != "tiles"]
    means = {name: sum(getattr(score, name) for score in scores) / len(scores) for name in names}
    return Verdict(**means, tiles=len(scores))


def tiles(lr: Pixels, sr: Pixels, max_pixels: int) -> Iterator[tuple[Pixels, Pixels]]:
    """The pair cut alike into the fewest equal rows and columns whose SR pieces have sides of at most sqrt(max_pixels).

    A pair that fits is one piece, whatever its shape.
    """
    side = int(max_pixels**0.5)
    height, width = sr.shape[:2]
    fits = height * width <= max_pixels
    rows, columns = (1, 1) if fits else (-(-height // side), -(-width // side))
    for row in range(rows):
        for column in range(columns):
            yield _cut(lr, row, rows, column, columns), _cut(sr, row, rows, column, columns)


def _cut(pixels: Pixels, row: int, rows: int, column: int, columns: int) -> Pixels:
    height, width = pixels.shape[:2]
    down = slice(height * row // rows, height * (row + 1) // rows)
    across = slice(width * column // columns, width * (column + 1) // columns)
    return np.ascontiguousarray(pixels[down, across])


class ServedScorer:
    """A COMPASS behind any endpoint."""

    def __init__(self, config: RewardClientConfig, judge: JudgeConfig) -> None:
        """`judge` tells an OpenAI-compatible endpoint's formula and limits. Raises NoCompass if nobody answers."""
        description, where = probe(config, judge), config.endpoint or config.app
        self._client = SyncCompassClient(config, judge)
        self.max_pixels = description.max_pixels
        digest = f", digest {description.judge_digest[:12]}" if description.judge_digest else ""
        self.judge = f"served at {where}{digest}"

    def score(self, lr: Pixels, sr: Pixels) -> CandidateOutcome:
        return self._client.score(uuid.uuid4().hex, lr, sr[None]).outcomes[0]


class LocalScorer:
    """The judge under transformers, in this process."""

    def __init__(self, config: JudgeConfig) -> None:
        """Raises BadJudge."""
        directory = judge_directory(config.path)
        from oars.compass.judge import Judge
        from oars.precision import compute_dtype

        self._config = config
        self._model = Judge.load(directory, dtype=compute_dtype(config.dtype))
        self.max_pixels = config.max_pixels
        self.judge = f"{config.path} in this process, digest {judge_digest(directory)[:12]}"

    def score(self, lr: Pixels, sr: Pixels) -> CandidateOutcome:
        group = prepare(lr, [sr], self._config)
        fault = group if isinstance(group, Failed) else group.candidates[0]
        if isinstance(fault, Failed):
            return fault
        read = self._model.score(lr, sr[None])[0]
        reward = self._config.reward
        return outcome(read.fidelity, read.q_lr, read.q_sr, read.mass, reward.gamma, reward.min_confidence)
