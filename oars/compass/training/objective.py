"""The judge under fine-tuning: model and loss as one module, whose forward pass is all that a trainer calls.

It is asked in the newest prompts: the quality prompt of every picture, the transition prompt of every candidate.
Unlabelled F counts nothing. Each sum is divided by the whole batch's counts, so a batch may be cut into parts, on any
number of ranks, at the same gradient.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.compass.judge_forward import Pictures, answer_states, encode_pictures
from oars.compass.prompt import END, NEWEST, Prompts
from oars.compass.training.examples import Batch
from oars.compass.training.targets import expectation, ranking_losses, slot_losses
from oars.config.judge_training import TargetConfig

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
        self.prompts = Prompts.of(processor, NEWEST)
        self._config, self._trains_vision = config, trains_vision

    def forward(self, batch: Batch, counts: Counts) -> Tensor:
        """The part of the batch's mean loss that these groups add. Call under autocast; the loss is float32."""
        pictures = np.concatenate([part.reshape(-1, *part.shape[2:]) for part in (batch.views, batch.ladders)])
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._trains_vision):
            encoded = encode_pictures(self.model, self.processor, pictures)
        quality = self._answers(self.prompts.quality, encoded, torch.arange(len(pictures))[:, None])
        loss = self._quality_loss(batch, quality, counts) + self._fidelity_loss(batch, encoded, counts)
        return loss + self._ladder_loss(batch, encoded, quality) / counts.changed if batch.margins.size else loss

    def _quality_loss(self, batch: Batch, answers: Tensor, counts: Counts) -> Tensor:
        """Loss on the level of every picture and on the order of a group's candidates; answers [pictures,
        vocabulary], the batch's views first."""
        levels, labels = self.prompts.tokens.quality, batch.quality
        views = answers[: labels.size]
        level = slot_losses(views, levels, self._labels(labels), self._config)
        candidates = views.unflatten(0, labels.shape)[:, 1:]
        order = self._order_loss(candidates.flatten(0, 1), levels, labels[:, 1:])
        return level.sum() / counts.pictures + self._config.ranking_weight * order / counts.transitions

    def _fidelity_loss(self, batch: Batch, encoded: Pictures, counts: Counts) -> Tensor:
        """Loss on the level and the order of F, and on the words of an explanation."""
        levels, told = self.prompts.tokens.fidelity, self._explanations(batch)
        prompt, shown = self.prompts.transition, picture_pairs(batch)
        states = answer_states(self.model, self.processor, prompt, encoded, shown, told.shown)
        logprobs = self._logprobs(states)
        level = slot_losses(logprobs[:, 0], levels, self._labels(batch.fidelity), self._config)
        order = self._order_loss(logprobs[:, 0], levels, batch.fidelity)
        words = _mean_cross_entropies(logprobs[:, 1:], told.wanted).sum() / counts.explanations
        level_and_order = (
            level.sum() / counts.fidelities + self._config.fidelity_ranking_weight * order / counts.transitions
        )
        return level_and_order + self._config.explanation_weight * words

    def _order_loss(self, answer: Tensor, levels: dict[int, float], labels: NDArray[np.float32]) -> Tensor:
        """Sum over the groups whose every candidate has a label; labels [G, K]."""
        values, told = list(levels.values()), self._labels(labels).view(labels.shape)
        known = ~told.isnan().any(1)
        read = expectation(answer, levels).view(told.shape)
        return ranking_losses(read[known], told[known], values[-1] - values[0], self._config).sum()

    def _ladder_loss(self, batch: Batch, encoded: Pictures, quality: Tensor) -> Tensor:
        """Loss on the order of F and of Q_SR along each ladder; quality [pictures, vocabulary], the ladders' last."""
        tokens = self.prompts.tokens
        fidelity = self._answers(self.prompts.transition, encoded, ladder_pairs(batch))
        answers = ((tokens.fidelity, fidelity), (tokens.quality, quality[batch.quality.size :]))
        losses = [
            self._order_loss(answer, levels, (min(levels.values()) - max(levels.values())) * batch.margins[..., slot])
            for slot, (levels, answer) in enumerate(answers)
        ]
        return self._config.ladder_weight * torch.stack(losses).sum()

    def _answers(self, prompt: str, encoded: Pictures, shown: Tensor) -> Tensor:
        """Log probabilities [len(shown), vocabulary] at the first answer position."""
        return self._logprobs(answer_states(self.model, self.processor, prompt, encoded, shown))[:, 0]

    def _explanations(self, batch: Batch) -> "Explanations":
        """Tokens after a transition prompt: the score token nearest to the label, then the explanation's tokens."""
        tokenizer, device = self.processor.tokenizer, self.model.device
        texts = batch.explanations.ravel()
        told = [tokenizer.encode(f"\n{text}{END}", add_special_tokens=False) if text else [] for text in texts]
        longest = max(map(len, told))
        wanted = torch.tensor(
            [ids + [_IGNORED] * (longest - len(ids)) for ids in told], dtype=torch.long, device=device
        )
        levels = torch.tensor(list(self.prompts.tokens.fidelity.values()), device=device)
        # Where F is unlabelled, argmin's first: what follows is learnt after some letter, whichever it is.
        nearest = (self._labels(batch.fidelity)[:, None] - levels).abs().argmin(1)
        scores = torch.tensor(list(self.prompts.tokens.fidelity), device=device)[nearest]
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
