"""How good is one enhancement, LR -> SR: judged whole, or in tiles where it is larger than the judge takes.

Two scorers: a COMPASS that listens on this machine, and the judge loaded in this process.
"""

import base64
import json
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from oars.compass.formula import outcome
from oars.compass.outcome import CandidateOutcome, Failed
from oars.config import JudgeConfig
from oars.imaging.image_io import Pixels, encode_png
from reward_server.checkpoint import judge_digest, judge_directory
from reward_server.pictures import prepare
from reward_server.schema import HttpScoreRequest, Readiness, ScoreResponse

# One local round trip of readiness; a busy replica answers within it.
_CONNECT_S = 2.0
_SCORE_S = 120.0


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
        """Which judge, for people."""

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
    """A COMPASS behind its HTTP door."""

    def __init__(self, url: str, readiness: Readiness) -> None:
        self._url = url
        self.max_pixels = readiness.max_pixels
        self.judge = f"served at {url}, digest {readiness.judge_digest[:12]}"

    @classmethod
    def find(cls, url: str) -> "ServedScorer | None":
        """None if no COMPASS that is ready listens there."""
        try:
            return cls(url, Readiness.model_validate(_call(f"{url}/readyz", None, _CONNECT_S)))
        except (OSError, ValueError):
            return None  # nobody, or somebody else

    def score(self, lr: Pixels, sr: Pixels) -> CandidateOutcome:
        lr_png, sr_png = (base64.b64encode(encode_png(pixels)).decode() for pixels in (lr, sr))
        request = HttpScoreRequest(request_id=uuid.uuid4().hex, lr=lr_png, candidates=[sr_png])
        answer = _call(f"{self._url}/v1/score", request.model_dump_json().encode(), _SCORE_S)
        return ScoreResponse.model_validate(answer).outcomes[0]


class LocalScorer:
    """The judge under transformers, in this process."""

    def __init__(self, config: JudgeConfig) -> None:
        """Raises BadJudge."""
        directory = judge_directory(config.path)
        import torch

        from oars.compass.judge import Judge

        self._config = config
        self._model = Judge.load(directory, dtype=getattr(torch, config.dtype))
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


def _call(url: str, body: bytes | None, timeout_s: float) -> Any:
    """The answer's JSON. Raises OSError if there is none, ValueError if it is not JSON."""
    # The door is on this machine: a proxy from the environment must not see it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with opener.open(request, timeout=timeout_s) as answer:
        return json.loads(answer.read())
