"""The judge under transformers: the reference that the served judge is compared with, and the trainer's own measure."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.compass.judge_card import prompt_version_of
from oars.compass.judge_forward import Pictures, encode_pictures, last_logits
from oars.compass.prompt import Prompts
from oars.compass.score_tokens import Confidence, Reading, confidence, read
from oars.compass.views import judge_views
from oars.precision import compute_dtype


@dataclass(frozen=True)
class Readings:
    """Raw readings of one transition."""

    fidelity: float
    q_lr: float
    q_sr: float
    confidence: Confidence


@dataclass(frozen=True)
class Judge:
    """A Qwen3-VL directory with its processor, and the prompts that it is asked."""

    model: Qwen3VLForConditionalGeneration
    processor: Qwen3VLProcessor
    prompts: Prompts

    @classmethod
    def load(cls, path: Path, dtype: torch.dtype | None = None, device: str | None = None) -> "Judge":
        """`dtype` None: the native one; `device` None: a GPU if there is one, where 8 B parameters belong.

        Raises BadCard, BadPrompts.
        """
        dtype, device = dtype or compute_dtype("native"), device or ("cuda" if torch.cuda.is_available() else "cpu")
        model = Qwen3VLForConditionalGeneration.from_pretrained(path, dtype=dtype, local_files_only=True)
        processor = AutoProcessor.from_pretrained(path, local_files_only=True)
        return cls(model.to(device).eval(), processor, Prompts.of(processor, prompt_version_of(path)))

    @torch.inference_mode()
    def score(self, lr: NDArray[np.uint8], candidates: NDArray[np.uint8], chunk: int = 32) -> list[Readings]:
        """Read K transitions of one LR: uint8 [h, w, 3] and [K, H, W, 3]. `chunk` bounds the pictures a forward."""
        view, pictures = judge_views(lr, candidates)
        [q_lr] = self._qualities(encode_pictures(self.model, self.processor, view[None]), range(1))
        readings: list[Readings] = []
        for start in range(0, len(pictures), chunk):
            readings += self._score_chunk(view, np.stack(pictures[start : start + chunk]), q_lr)
        return readings

    def _score_chunk(self, view: NDArray[np.uint8], candidates: NDArray[np.uint8], q_lr: Reading) -> list[Readings]:
        encoded = encode_pictures(self.model, self.processor, np.concatenate([view[None], candidates]))
        places = range(1, len(candidates) + 1)
        rows = self._answers(self.prompts.transition, encoded, [[0, place] for place in places])
        joint = self.prompts.version.joint
        qualities = [self._quality(row) for row in rows] if joint else self._qualities(encoded, places)
        fidelities = [_read(self.prompts.tokens.fidelity, row) for row in rows]
        return [_readings(f, q_lr, q_sr, joint) for f, q_sr in zip(fidelities, qualities, strict=True)]

    def _qualities(self, encoded: Pictures, places: Iterable[int]) -> list[Reading]:
        """The quality prompt's answer about each picture alone."""
        return [
            self._quality(row) for row in self._answers(self.prompts.quality, encoded, [[place] for place in places])
        ]

    def _quality(self, row: Tensor) -> Reading:
        return _read(self.prompts.tokens.quality, row)

    def _answers(self, prompt: str, encoded: Pictures, shown: list[list[int]]) -> Tensor:
        """Log probabilities [len(shown), vocabulary] at the first answer position."""
        logits = last_logits(self.model, self.processor, prompt, encoded, torch.tensor(shown))
        return logits.float().log_softmax(-1).cpu()


def _read(levels: dict[int, float], row: Tensor) -> Reading:
    return read(levels, {token: float(row[token]) for token in levels})


def _readings(fidelity: Reading, q_lr: Reading, q_sr: Reading, joint: bool) -> Readings:
    return Readings(fidelity.value, q_lr.value, q_sr.value, confidence(q_lr, fidelity, q_sr, joint))
