"""The judge under fine-tuning: model and loss as one module, whose forward pass is all that a trainer calls.

The input prompt is asked of every picture, not of the LR alone: that a picture stands alone teaches quality fastest. A
transition prompt's two token sets share the mass of one position evenly. Unlabelled F counts nothing. Each sum is
divided by the whole batch's counts, so a batch may be cut into parts, on any number of ranks, at the same gradient.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.compass.judge_examples import Batch
from oars.compass.judge_forward import Pictures, answer_states, encode_pictures
from oars.compass.judge_targets import slot_losses
from oars.compass.prompt import INPUT_PROMPT, TRANSITION_PROMPT, ScoreTokens
from oars.config.judge_training import TargetConfig

_TRANSITION_SHARE = 0.5
_IGNORED = -100


@dataclass(frozen=True)
class Counts:
    """What a whole batch holds; at least 1 each."""

    pictures: int
    transitions: int
    fidelities: int
    explanations: int

    @classmethod
    def of(cls, batch: Batch) -> "Counts":
        counts = (
            batch.quality.size,
            batch.fidelity.size,
            int(np.isfinite(batch.fidelity).sum()),
            int((batch.explanations != "").sum()),
        )
        return cls(*(max(count, 1) for count in counts))


class JudgeObjective(nn.Module):
    """Owns the judge; `trains_vision` says whether gradients reach the vision tower."""

    def __init__(
        self,
        model: Qwen3VLForConditionalGeneration,
        processor: Qwen3VLProcessor,
        config: TargetConfig,
        trains_vision: bool,
    ) -> None:
        super().__init__()
        self.model, self.processor = model, processor
        self.tokens = ScoreTokens.of(processor.tokenizer)
        self._config, self._trains_vision = config, trains_vision

    def forward(self, batch: Batch, counts: Counts) -> Tensor:
        """The part of the batch's mean loss that these groups add. Call under autocast; the loss is float32."""
        views = batch.views.reshape(-1, *batch.views.shape[2:])
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._trains_vision):
            encoded = encode_pictures(self.model, self.processor, views)
        return self._input_loss(batch, encoded) / counts.pictures + self._transition_loss(batch, encoded, counts)

    def _input_loss(self, batch: Batch, encoded: Pictures) -> Tensor:
        every = torch.arange(batch.quality.size)[:, None]
        states = answer_states(self.model, self.processor, INPUT_PROMPT, encoded, every)
        label = self._labels(batch.quality)
        return slot_losses(self._logprobs(states)[:, 0], self.tokens.quality, label, 1.0, self._config).sum()

    def _transition_loss(self, batch: Batch, encoded: Pictures, counts: Counts) -> Tensor:
        continuation = self._continuation(batch)
        states = answer_states(
            self.model, self.processor, TRANSITION_PROMPT, encoded, _pairs(batch), continuation[:, :-1]
        )
        logprobs = self._logprobs(states)
        quality, fidelity = self._labels(batch.quality[:, 1:]), self._labels(batch.fidelity)
        answer = logprobs[:, 0]
        loss = slot_losses(answer, self.tokens.quality, quality, _TRANSITION_SHARE, self._config).sum() / counts.transitions
        loss = loss + slot_losses(answer, self.tokens.fidelity, fidelity, _TRANSITION_SHARE, self._config).sum() / (
            counts.fidelities
        )
        if continuation.shape[1] > 1:
            loss = loss + self._config.explanation_weight * self._told(logprobs, continuation) / counts.explanations
        return loss

    def _told(self, logprobs: Tensor, continuation: Tensor) -> Tensor:
        """Sum over transitions of the mean cross-entropy of an explanation's tokens, after the score."""
        wanted = torch.where(_explained(continuation), continuation, _IGNORED)[:, 1:]
        losses = F.nll_loss(logprobs[:, 1:].transpose(1, 2), wanted, ignore_index=_IGNORED, reduction="none")
        return (losses.sum(1) / (wanted != _IGNORED).sum(1).clamp(min=1)).sum()

    def _continuation(self, batch: Batch) -> Tensor:
        """[B, 1 + L]: the score token nearest to the label, then the explanation; [B, 1] if the batch has none."""
        tokenizer = self.processor.tokenizer
        levels = list(self.tokens.quality.items())
        rows = []
        for text, quality in zip(batch.explanations.ravel(), batch.quality[:, 1:].ravel(), strict=True):
            nearest = min(levels, key=lambda level: abs(level[1] - quality))[0]
            told = tokenizer.encode(f"\n{text}<|im_end|>", add_special_tokens=False) if text else []
            rows.append(torch.tensor([nearest, *told]))
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=_PADDING)
        return padded.to(self.model.device)

    def _logprobs(self, states: Tensor) -> Tensor:
        logits: Tensor = self.model.lm_head(states)
        return logits.float().log_softmax(-1)

    def _labels(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).flatten().to(self.model.device)


# Never a token of an explanation: padding after it, which no earlier position sees.
_PADDING = 0


def _explained(continuation: Tensor) -> Tensor:
    return continuation != _PADDING


def _pairs(batch: Batch) -> Tensor:
    """Indices of (LR, SR) among the batch's flattened pictures, [G * K, 2]."""
    groups, pictures = batch.quality.shape
    places = torch.arange(groups * pictures).view(groups, pictures)
    return torch.stack([places[:, :1].expand(-1, pictures - 1), places[:, 1:]], -1).flatten(0, 1)
