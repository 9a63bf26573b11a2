"""Trains the miniature judge from scratch: all its parameters, on labelled transitions of real photos.

The target of a prompt is a distribution over the whole vocabulary: each label lies on its two neighbouring levels, by
distance (two-hot), and a transition prompt's two sets hold half the mass each. Cross-entropy to it teaches the
readings and keeps the mass on the score tokens at once. Each step's batch derives from (seed, step) alone, so a
resumed training sees what an unbroken one would.
"""

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.alignment.seeds import derive_seed
from oars.compass.judge_data import Shelf, fit_labels, labelled_transitions
from oars.compass.judge_forward import encode_pictures, last_logits
from oars.compass.judge_model import build_processor, build_tokenizer, judge_config, new_judge, save_judge
from oars.compass.labels import LabelMap
from oars.compass.prompt import INPUT_PROMPT, TRANSITION_PROMPT, ScoreTokens
from oars.config.judge_training import JudgeTrainingConfig
from oars.imaging.photos import find_photos

LABELS_FILE = "oars_labels.json"
"""Beside the weights: the fitted scale of the labels."""


@dataclass(frozen=True)
class Batch:
    """G groups: pictures uint8 [G, 1 + K, S, S, 3] (LR view first), F float32 [G, K], Q float32 [G, 1 + K]."""

    views: NDArray[np.uint8]
    fidelity: Tensor
    quality: Tensor


def train_miniature_judge(
    out: Path, seed: int, work: Path, config: JudgeTrainingConfig | None = None, progress: bool = True
) -> Path:
    """Make transitions (once, kept under `work`), train (resuming there), write the judge's directory to `out`."""
    config = config or JudgeTrainingConfig()
    photos = [photo for photo in find_photos("all", "train") if photo.name not in config.held_out]
    shelves = labelled_transitions(work, photos, seed, config.groups, config.candidates, progress)
    labels = fit_labels(shelves)
    trainer = JudgeTrainer(shelves, labels, seed, config, work / f"judge-{seed}.ckpt")
    trainer.run(progress)
    save_judge(trainer.model, out)
    (out / LABELS_FILE).write_text(json_of(labels))
    return out


def json_of(labels: LabelMap) -> str:
    return json.dumps(asdict(labels), indent=2) + "\n"


class JudgeTrainer:
    """Owns model, optimiser and step; `run` continues from the checkpoint if there is one."""

    def __init__(
        self, shelves: list[Shelf], labels: LabelMap, seed: int, config: JudgeTrainingConfig, checkpoint: Path
    ) -> None:
        tokenizer = build_tokenizer()
        self.processor = build_processor(tokenizer)
        self.tokens = ScoreTokens.of(tokenizer)
        self.model = new_judge(judge_config(tokenizer), seed)
        self.shelves, self.labels, self.seed, self.config = shelves, labels, seed, config
        self.optimiser = _optimiser(self.model, config)
        self.checkpoint = checkpoint
        self.step = 0

    def run(self, progress: bool = True) -> None:
        self._resume()
        self.model.train()
        for _ in track(range(self.step, self.config.steps), "training the judge", disable=not progress):
            self.train_step()
            if self.step % self.config.checkpoint_every == 0 or self.step == self.config.steps:
                self._save()
        self.model.eval()

    def train_step(self) -> float:
        """One optimiser step; returns the loss."""
        batch = draw_batch(self.shelves, self.labels, derive_seed("judge batch", self.seed, self.step), self.config)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * _schedule(self.step, self.config)
        with torch.autocast("cpu", torch.bfloat16):
            loss = batch_loss(self.model, self.processor, self.tokens, batch, self.config.expectation_weight)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimiser.step()
        self.step += 1
        return float(loss.detach())

    def _save(self) -> None:
        state = {"step": self.step, "model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}
        partial = self.checkpoint.with_suffix(".part")
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self.checkpoint)

    def _resume(self) -> None:
        if self.checkpoint.exists():
            state: dict[str, Any] = torch.load(self.checkpoint, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]


def _optimiser(model: nn.Module, config: JudgeTrainingConfig) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay, "peak": config.learning_rate},
        {"params": vectors, "weight_decay": 0.0, "peak": config.learning_rate},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, config.beta2))


def _schedule(step: int, config: JudgeTrainingConfig) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak."""
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    done = step / config.steps
    return warm * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


def draw_batch(shelves: list[Shelf], labels: LabelMap, seed: int, config: JudgeTrainingConfig) -> Batch:
    """Random groups of one size, each flipped, turned and with its colour channels permuted, all pictures alike."""
    rng = np.random.default_rng(seed)
    shelf = shelves[rng.choice(len(shelves), p=config.size_shares)]
    rows = rng.choice(shelf.shape[0], size=min(config.batch_groups, shelf.shape[0]), replace=False)
    fidelity, quality = labels_of(shelf, labels)
    views = np.stack([_augmented(shelf.views[row], rng) for row in rows])
    return Batch(
        views,
        torch.from_numpy(fidelity[rows, 1:]),
        torch.from_numpy(quality[rows]),
    )


def labels_of(shelf: Shelf, labels: LabelMap) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """F and Q of every picture of a shelf, [G, 1 + K] each; the first column is the LR view."""
    return labels.fidelity(shelf.errors).reshape(shelf.shape), labels.quality(shelf.errors).reshape(shelf.shape)


def _augmented(views: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    turned = np.rot90(views, int(rng.integers(4)), (1, 2))
    flipped = turned[:, :, ::-1] if rng.random() < 0.5 else turned
    return flipped[..., rng.permutation(3)]


def batch_loss(
    model: Qwen3VLForConditionalGeneration,
    processor: Qwen3VLProcessor,
    tokens: ScoreTokens,
    batch: Batch,
    expectation_weight: float,
) -> Tensor:
    """Cross-entropy to the two-hot targets + weighted squared error of the expectations (in [0, 1]).

    The input prompt is asked of every picture, not of the LR alone: that it stands alone teaches quality fastest.
    """
    groups, pictures = batch.views.shape[:2]
    encoded = encode_pictures(model, processor, batch.views.reshape(-1, *batch.views.shape[2:]))
    every = torch.arange(groups * pictures)[:, None]
    places = every.view(groups, pictures)
    pairs = torch.stack([places[:, :1].expand(-1, pictures - 1), places[:, 1:]], -1).flatten(0, 1)
    inputs = last_logits(model, processor, INPUT_PROMPT, encoded, every).float().log_softmax(-1)
    transitions = last_logits(model, processor, TRANSITION_PROMPT, encoded, pairs).float().log_softmax(-1)
    slots = (
        slot_loss(inputs, tokens.quality, batch.quality.flatten(), expectation_weight, 1.0),
        slot_loss(transitions, tokens.quality, batch.quality[:, 1:].flatten(), expectation_weight, 0.5),
        slot_loss(transitions, tokens.fidelity, batch.fidelity.flatten(), expectation_weight, 0.5),
    )
    return torch.stack(slots).sum()


def slot_loss(logprobs: Tensor, levels: dict[int, float], label: Tensor, weight: float, share: float) -> Tensor:
    """Loss of one slot: logprobs [B, vocabulary], labels [B]; `share` of the mass belongs to this slot's set."""
    ids, values = list(levels), torch.tensor(list(levels.values()))
    on_set = logprobs[:, ids]
    cross_entropy = -(two_hot(label, values) * on_set).sum(-1).mean()
    expectation = (on_set.softmax(-1) * values).sum(-1)
    span = values[-1] - values[0]
    return share * cross_entropy + weight * F.mse_loss(expectation / span, label / span)


def two_hot(label: Tensor, values: Tensor) -> Tensor:
    """Labels [B] between ascending, evenly spaced level values [L] to a distribution [B, L] with that expectation."""
    step = values[1] - values[0]
    return (1 - (label[:, None] - values).abs() / step).clamp(min=0)
