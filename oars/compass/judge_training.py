"""Trains the miniature judge from scratch: all its parameters, on labelled transitions of real photos.

The target of a prompt is a distribution over the whole vocabulary: each label lies on its two neighbouring levels, by
distance (two-hot), and a transition prompt's two sets hold half the mass each. Cross-entropy to it teaches the
readings and keeps the mass on the score tokens at once. Each step's batch derives from (seed, step) alone, so a
resumed training sees what an unbroken one would.
"""

import json
import math
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

from oars.alignment.seeds import derive_seed
from oars.compass.judge_batches import Batch, draw_batch
from oars.compass.judge_data import Shelf, fit_labels, labelled_transitions
from oars.compass.judge_forward import encode_pictures, last_logits
from oars.compass.judge_model import build_processor, build_tokenizer, calibrate, judge_config, new_judge, save_judge
from oars.compass.judge_pretraining import pretrain_vision
from oars.compass.labels import LabelMap
from oars.compass.prompt import INPUT_PROMPT, TRANSITION_PROMPT, ScoreTokens
from oars.config.judge_training import JudgeTrainingConfig
from oars.imaging.photos import find_photos

_CALIBRATION_GROUPS = 64
LABELS_FILE = "oars_labels.json"
"""Beside the weights: the fitted scale of the labels."""


_CALIBRATION_GROUPS = 64


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
        if self.step == 0:
            self._prepare(progress)
        for _ in track(range(self.step, self.config.steps), "training the judge", disable=not progress):
            self.train_step()
            if self.step % self.config.checkpoint_every == 0 or self.step == self.config.steps:
                self._save()
        self.model.eval()

    def _prepare(self, progress: bool) -> None:
        """The vision tower on its own, calibrated before and after."""
        self._calibrate()
        batches = partial(self._batch, "vision")
        pretrain_vision(self.model, self.processor, batches, self.seed, self.config, progress)
        self._calibrate()
        self._save()

    def _calibrate(self) -> None:
        views = self.shelves[0].views[:_CALIBRATION_GROUPS]
        images = torch.from_numpy(views.reshape(-1, *views.shape[2:]).transpose(0, 3, 1, 2).copy())
        inputs = self.processor.image_processor(images=list(images), return_tensors="pt")
        calibrate(self.model, inputs["pixel_values"], inputs["image_grid_thw"])

    def _batch(self, stage: str, step: int) -> Batch:
        return draw_batch(self.shelves, self.labels, derive_seed("judge batch", stage, self.seed, step), self.config)

    def train_step(self) -> float:
        """One optimiser step; returns the loss."""
        batch = self._batch("judge", self.step)
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


def _optimiser(model: Qwen3VLForConditionalGeneration, config: JudgeTrainingConfig) -> torch.optim.Optimizer:
    """AdamW; the output layer, which starts without any preference, learns faster."""
    visual, head = list(model.model.visual.parameters()), model.lm_head.weight
    text = list(model.model.language_model.parameters())
    groups = [
        {"params": visual, "weight_decay": config.weight_decay, "peak": config.vision_learning_rate},
        {"params": text, "weight_decay": config.weight_decay, "peak": config.learning_rate},
        {"params": [head], "weight_decay": 0.0, "peak": config.head_learning_rate},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, config.beta2))


def _schedule(step: int, config: JudgeTrainingConfig) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak."""
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    done = step / config.steps
    return warm * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


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
