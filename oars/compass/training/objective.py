"""The judge under fine-tuning: model and loss as one module, whose forward pass is all that a trainer calls.

The input prompt is asked of every picture, not of the LR alone: that a picture stands alone teaches quality fastest. A
transition prompt's two token sets share the mass of one position evenly. Unlabelled F counts nothing. Each sum is
divided by the whole batch's counts, so a batch may be cut into parts, on any number of ranks, at the same gradient.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.compass.judge_forward import Pictures, answer_states, encode_pictures
from oars.compass.prompt import END, INPUT_PROMPT, TRANSITION_PROMPT, ScoreTokens
from oars.compass.training.examples import Batch
from oars.compass.training.targets import expectation, ranking_losses, slot_losses
from oars.config.judge_training import TargetConfig

_TRANSITION_SHARE = 0.5
_IGNORED = -100


@dataclass(frozen=True)
class Counts:
    """Number of labels in the whole batch, by kind; at least 1 each."""

    pictures: int
    transitions: int
    fidelities: int
    explanations: int
    changed: int

    @classmethod
    def of(cls, batch: Batch) -> "Counts":
        counts = (
            batch.quality.size,
            batch.fidelity.size,
            int(np.isfinite(batch.fidelity).sum()),
            int((batch.explanations != "").sum()),
            batch.margins[..., 0].size,
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
        pictures = np.concatenate([part.reshape(-1, *part.shape[2:]) for part in (batch.views, batch.ladders)])
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._trains_vision):
            encoded = encode_pictures(self.model, self.processor, pictures)
        loss = self._input_loss(batch, encoded) / counts.pictures + self._transition_loss(batch, encoded, counts)
        return loss + self._ladder_loss(batch, encoded) / counts.changed if batch.margins.size else loss

    def _input_loss(self, batch: Batch, encoded: Pictures) -> Tensor:
        every = torch.arange(batch.quality.size)[:, None]
        states = answer_states(self.model, self.processor, INPUT_PROMPT, encoded, every)
        label = self._labels(batch.quality)
        return slot_losses(self._logprobs(states)[:, 0], self.tokens.quality, label, 1.0, self._config).sum()

    def _transition_loss(self, batch: Batch, encoded: Pictures, counts: Counts) -> Tensor:
        told = self._explanations(batch)
        states = answer_states(self.model, self.processor, TRANSITION_PROMPT, encoded, picture_pairs(batch), told.shown)
        logprobs = self._logprobs(states)
        slots = (
            (self.tokens.quality, batch.quality[:, 1:], counts.transitions),
            (self.tokens.fidelity, batch.fidelity, counts.fidelities),
        )
        losses = [
            slot_losses(logprobs[:, 0], levels, self._labels(labels), _TRANSITION_SHARE, self._config).sum() / count
            for levels, labels, count in slots
        ]
        losses.append(self._order_losses(logprobs[:, 0], batch) / counts.transitions)
        words = _mean_cross_entropies(logprobs[:, 1:], told.wanted).sum() / counts.explanations
        return torch.stack(losses).sum() + self._config.explanation_weight * words

    def _order_losses(self, answer: Tensor, batch: Batch) -> Tensor:
        """Loss on the order of Q_SR and of F within each group."""
        quality = self._order_loss(answer, self.tokens.quality, batch.quality[:, 1:])
        fidelity = self._order_loss(answer, self.tokens.fidelity, batch.fidelity)
        return self._config.ranking_weight * quality + self._config.fidelity_ranking_weight * fidelity

    def _order_loss(self, answer: Tensor, levels: dict[int, float], labels: NDArray[np.float32]) -> Tensor:
        """Sum over the groups whose every candidate has a label; labels [G, K]."""
        values, told = list(levels.values()), self._labels(labels).view(labels.shape)
        known = ~told.isnan().any(1)
        read = expectation(answer, levels).view(told.shape)
        return ranking_losses(read[known], told[known], values[-1] - values[0], self._config).sum()

    def _ladder_loss(self, batch: Batch, encoded: Pictures) -> Tensor:
        """Loss on the order of F and of Q_SR along each ladder."""
        states = answer_states(self.model, self.processor, TRANSITION_PROMPT, encoded, ladder_pairs(batch))
        answer = self._logprobs(states)[:, 0]
        losses = [
            self._order_loss(answer, levels, (min(levels.values()) - max(levels.values())) * batch.margins[..., slot])
            for slot, levels in enumerate((self.tokens.fidelity, self.tokens.quality))
        ]
        return self._config.ladder_weight * torch.stack(losses).sum()

    def _explanations(self, batch: Batch) -> "Explanations":
        """Tokens after a transition prompt: the score token nearest to the label, then the explanation's tokens."""
        tokenizer, device = self.processor.tokenizer, self.model.device
        texts = batch.explanations.ravel()
        told = [tokenizer.encode(f"\n{text}{END}", add_special_tokens=False) if text else [] for text in texts]
        longest = max(map(len, told))
        wanted = torch.tensor(
            [ids + [_IGNORED] * (longest - len(ids)) for ids in told], dtype=torch.long, device=device
        )
        levels = torch.tensor(list(self.tokens.quality.values()), device=device)
        nearest = (self._labels(batch.quality[:, 1:])[:, None] - levels).abs().argmin(1)
        scores = torch.tensor(list(self.tokens.quality), device=device)[nearest]
        # What is ignored comes last, so no position that counts sees what stands in for it.
        shown = torch.cat([scores[:, None], wanted[:, :-1].clamp(min=0)], 1) if longest else None
        return Explanations(shown, wanted)

    def _logprobs(self, states: Tensor) -> Tensor:
        logits: Tensor = self.model.lm_head(states)
        return logits.float().log_softmax(-1)

    def _labels(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).flatten().to(self.model.device)


@dataclass(frozen=True)
class Explanations:
    """`shown` [B, L] follows the prompt, None where L is 0; position i of it should be followed by `wanted` [B, L]."""

    shown: Tensor | None
    wanted: Tensor


def _mean_cross_entropies(logprobs: Tensor, wanted: Tensor) -> Tensor:
    """Mean over a row's tokens that are not ignored, [B]; 0 for a row without one."""
    losses = F.nll_loss(logprobs.transpose(1, 2), wanted, ignore_index=_IGNORED, reduction="none")
    return losses.sum(1) / (wanted != _IGNORED).sum(1).clamp(min=1)


def picture_pairs(batch: Batch) -> Tensor:
    """Indices of (LR, SR) among the batch's flattened pictures, [G * K, 2]."""
    groups, pictures = batch.quality.shape
    places = torch.arange(groups * pictures).view(groups, pictures)
    return torch.stack([places[:, :1].expand(-1, pictures - 1), places[:, 1:]], -1).flatten(0, 1)


def ladder_pairs(batch: Batch) -> Tensor:
    """Indices of (LR, changed picture) where the ladders' pictures follow the flattened views, [G * C, 2]."""
    groups, length = batch.margins.shape[:2]
    lrs = torch.arange(groups) * batch.quality.shape[1]
    changed = batch.quality.size + torch.arange(groups * length).view(groups, length)
    return torch.stack([lrs[:, None].expand(-1, length), changed], -1).flatten(0, 1)
