"""Scores one enhancement, LR -> SR: whole, or in tiles if it is larger than the judge takes.

Two scorers: a judge that is served somewhere, and the judge loaded in this process. Both make R by the same function.
"""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Protocol

import numpy as np

from oars.compass.calibrated import Basis, Scale
from oars.compass.formula import READINGS, judged
from oars.compass.outcome import CandidateOutcome, Failed, Judged
from oars.compass.reward import Reward
from oars.compass.views import MAX_ASPECT
from oars.config import JudgeConfig, RewardClientConfig
from oars.imaging.image_io import Pixels
from oars.model_files import MODEL_CONFIG
from reward_server.checkpoint import judge_directory, judge_identity, judge_scale
from reward_server.class_judge import ClassJudge
from reward_server.client import SyncCompassClient, probe
from reward_server.errors import BadJudge
from reward_server.pictures import prepare

_QWEN3_VL = "qwen3_vl"


@dataclass(frozen=True)
class Verdict:
    """Readings and R: means over the tiles (ours)."""

    readings: dict[str, float]
    reward: float
    tiles: int


class Scorer(Protocol):
    @property
    def judge(self) -> str:
        """Readable name of the judge."""

    @property
    def min_pixels(self) -> int:
        """Least area of a picture that it judges."""

    @property
    def max_pixels(self) -> int:
        """Largest area of a picture that it judges at once."""

    def score(self, lr: Pixels, sr: Pixels) -> CandidateOutcome: ...


def verdict(lr: Pixels, sr: Pixels, scorer: Scorer) -> Verdict | Failed:
    """LR uint8 [h, w, 3] and SR uint8 [H, W, 3] of the same scene. A tile without a score fails the whole."""
    scores = []
    for piece in tiles(lr, sr, scorer.min_pixels, scorer.max_pixels):
        result = scorer.score(*piece)
        if isinstance(result, Failed):
            return result
        scores.append(result)
    means = {name: fmean(score.readings[name] for score in scores) for name in scores[0].readings}
    return Verdict(means, fmean(score.reward for score in scores), len(scores))


def tiles(lr: Pixels, sr: Pixels, min_pixels: int, max_pixels: int) -> Iterator[tuple[Pixels, Pixels]]:
    """The pair cut alike into equal rows and columns whose SR pieces the judge takes.

    A pair that fits is one piece; else the fewest whose sides are at most sqrt(max_pixels). A flat one has more pieces
    where they would be too long for the judge, and fewer where they would be too small.
    """
    height, width = sr.shape[:2]
    side = int(max_pixels**0.5)
    fits = height * width <= max_pixels
    rows, columns = (1, 1) if fits else (-(-height // side), -(-width // side))
    if width >= height:
        columns = _along(width, height // rows, columns, min_pixels)
    else:
        rows = _along(height, width // columns, rows, min_pixels)
    for row in range(rows):
        for column in range(columns):
            yield _cut(lr, row, rows, column, columns), _cut(sr, row, rows, column, columns)


def _along(length: int, across: int, count: int, min_pixels: int) -> int:
    """Number of pieces for a strip `across` pixels wide, about `count`."""
    longest_fits = -(-length // (MAX_ASPECT * across))
    smallest_fits = length // -(-min_pixels // across)
    return max(1, longest_fits, min(count, smallest_fits))


def _cut(pixels: Pixels, row: int, rows: int, column: int, columns: int) -> Pixels:
    height, width = pixels.shape[:2]
    down = slice(height * row // rows, height * (row + 1) // rows)
    across = slice(width * column // columns, width * (column + 1) // columns)
    return np.ascontiguousarray(pixels[down, across])


class ServedScorer:
    """A judge behind any endpoint."""

    def __init__(self, config: RewardClientConfig, judge: JudgeConfig) -> None:
        """`judge` tells an OpenAI-compatible endpoint's limits. Raises NoCompass if none answers, BadReward."""
        self._reward = Reward.load(config.function, config.parameters)
        description, where = probe(config, judge), config.endpoint or config.app
        self._reward.check(description.readings)
        self._client = SyncCompassClient(config, judge)
        self.min_pixels, self.max_pixels = description.min_pixels, description.max_pixels
        digest = f", digest {description.judge_digest[:12]}" if description.judge_digest else ""
        self.judge = f"served at {where}{digest}{_basis(description.basis)}"

    def score(self, lr: Pixels, sr: Pixels) -> CandidateOutcome:
        return self._reward.score(self._client.score(uuid.uuid4().hex, lr, sr[None]).outcomes[0])


class LocalScorer:
    """The judge in this process: the Qwen3-VL under transformers, or a class."""

    def __init__(self, judge: JudgeConfig, config: RewardClientConfig) -> None:
        """Raises BadJudge, BadReward."""
        self._reward, digest = Reward.load(config.function, config.parameters), judge_identity(judge)
        readings, scale, self._judged = _local(judge, digest)
        self._reward.check(readings)
        self.min_pixels, self.max_pixels = judge.min_pixels, judge.max_pixels
        self.judge = f"{judge.class_path or judge.path} in this process, digest {digest[:12]}{_basis(scale.basis)}"

    def score(self, lr: Pixels, sr: Pixels) -> CandidateOutcome:
        return self._reward.score(self._judged(lr, sr))


def _basis(basis: Basis | None) -> str:
    return f", {basis}" if basis else ""


def _check_kind(directory: Path) -> None:
    """Raises BadJudge for a model that transformers' Qwen3-VL does not load."""
    kind = json.loads((directory / MODEL_CONFIG).read_text()).get("model_type")
    if kind != _QWEN3_VL:
        raise BadJudge(
            f"judge: {directory} is a {kind}; a judge in this process is a {_QWEN3_VL}: serve it with `oars serve "
            f"--judge {directory}`"
        )


def _local(
    config: JudgeConfig, digest: str
) -> tuple[Sequence[str], Scale, Callable[[Pixels, Pixels], Judged | Failed]]:
    """Load the judge's readings, their scale, and the scorer of one transition. Raises BadJudge, BadPrompts."""
    if config.class_path is not None:
        own = ClassJudge(config)
        return own.readings, own.scale, lambda lr, sr: asyncio.run(own.score("local", lr, [sr]))[0]
    from oars.compass.judge import Judge
    from oars.precision import compute_dtype

    directory = judge_directory(config.path)
    _check_kind(directory)
    scale, model = judge_scale(config, directory, digest), Judge.load(directory, dtype=compute_dtype(config.dtype))

    def read(lr: Pixels, sr: Pixels) -> Judged | Failed:
        group = prepare(lr, [sr], config)
        fault = group if isinstance(group, Failed) else group.candidates[0]
        if isinstance(fault, Failed):
            return fault
        [said] = model.score(lr, sr[None])
        return scale.apply(judged(said.fidelity, said.q_lr, said.q_sr, said.confidence, config.min_confidence))

    return READINGS, scale, read
