"""The judge under transformers: the reference that the served judge is compared with, and the trainer's own measure."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.compass.judge_forward import encode_pictures, last_logits
from oars.compass.prompt import INPUT_PROMPT, TRANSITION_PROMPT, Reading, ScoreTokens, confidence, read
from oars.compass.views import judge_views
from oars.precision import compute_dtype


@dataclass(frozen=True)
class Readings:
    """Raw readings of one transition. `mass` is their confidence (oars/compass/prompt.py)."""

    fidelity: float
    q_lr: float
    q_sr: float
    mass: float


@dataclass(frozen=True)
class Judge:
    """A Qwen3-VL directory with its processor and score tokens."""

    model: Qwen3VLForConditionalGeneration
    processor: Qwen3VLProcessor
    tokens: ScoreTokens

    @classmethod
    def load(cls, path: Path, dtype: torch.dtype | None = None, device: str | None = None) -> "Judge":
        """`dtype` None: the native one; `device` None: a GPU if there is one, where 8 B parameters belong.

        Raises ValueError if a score level is not one token of the tokenizer.
        """
        dtype, device = dtype or compute_dtype("native"), device or ("cuda" if torch.cuda.is_available() else "cpu")
        model = Qwen3VLForConditionalGeneration.from_pretrained(path, dtype=dtype, local_files_only=True)
        processor = AutoProcessor.from_pretrained(path, local_files_only=True)
        return cls(model.to(device).eval(), processor, ScoreTokens.of(processor.tokenizer))

    @torch.inference_mode()
    def score(self, lr: NDArray[np.uint8], candidates: NDArray[np.uint8], chunk: int = 32) -> list[Readings]:
        """Read K transitions of one LR: uint8 [h, w, 3] and [K, H, W, 3]. `chunk` bounds the pictures a forward."""
        view, pictures = judge_views(lr, candidates)
        encoded = encode_pictures(self.model, self.processor, view[None])
        logprobs = _logprobs(last_logits(self.model, self.processor, INPUT_PROMPT, encoded, torch.tensor([[0]])))
        q_lr = self._read(self.tokens.quality, logprobs[0])
        readings: list[Readings] = []
        for start in range(0, len(pictures), chunk):
            readings += self._score_chunk(view, np.stack(pictures[start : start + chunk]), q_lr)
        return readings

    def _score_chunk(self, view: NDArray[np.uint8], candidates: NDArray[np.uint8], q_lr: Reading) -> list[Readings]:
        encoded = encode_pictures(self.model, self.processor, np.concatenate([view[None], candidates]))
        shown = torch.tensor([[0, k + 1] for k in range(len(candidates))])
        rows = _logprobs(last_logits(self.model, self.processor, TRANSITION_PROMPT, encoded, shown))
        return [self._transition(row, q_lr) for row in rows]

    def _transition(self, row: Tensor, q_lr: Reading) -> Readings:
        fidelity, q_sr = self._read(self.tokens.fidelity, row), self._read(self.tokens.quality, row)
        return Readings(fidelity.value, q_lr.value, q_sr.value, confidence(q_lr, fidelity, q_sr))

    def _read(self, levels: dict[int, float], row: Tensor) -> Reading:
        return read(levels, {token: float(row[token]) for token in levels})


def _logprobs(logits: Tensor) -> Tensor:
    return logits.float().log_softmax(-1).cpu()
