"""Trains the miniature judge from scratch: all its parameters, on labelled transitions of real photos.

In stages: the vision tower alone, with a head that is thrown away; the output layer by least squares; then the text
model on what the tower, now at rest, answers.

The target of a prompt is a distribution over the whole vocabulary: each label lies on its two neighbouring levels, by
distance (two-hot), and a transition prompt's two sets hold half the mass each. Cross-entropy to it teaches the
readings and keeps the mass on the score tokens at once. Each step's batch derives from (seed, step) alone, so a
resumed training sees what an unbroken one would.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import nn
from transformers import Qwen3VLForConditionalGeneration

from oars.alignment.seeds import derive_seed
from oars.compass.judge_batches import Batch, draw_batch
from oars.compass.judge_data import Shelf, fit_labels, labelled_transitions
from oars.compass.judge_model import build_processor, build_tokenizer, calibrate, judge_config, new_judge, save_judge
from oars.compass.judge_pretraining import pretrain_vision
from oars.compass.judge_reading import ReadShelf, drawn_rows, fit_output_layer, read_shelf, reading_loss
from oars.compass.labels import LabelMap
from oars.compass.prompt import ScoreTokens
from oars.config.judge_training import JudgeTrainingConfig
from oars.imaging.photos import find_photos

LABELS_FILE = "oars_labels.json"
"""Beside the weights: the fitted scale of the labels."""


_CALIBRATION_GROUPS = 64
_FITTED_GROUPS = 600


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
        shelves = self._read_shelves(progress)
        if self.step == 0:
            fit_output_layer(self.model, self.processor, self.tokens, shelves[0], _FITTED_GROUPS)
        for _ in track(range(self.step, self.config.steps), "training the judge", disable=not progress):
            self.train_step(shelves)
            if self.step % self.config.checkpoint_every == 0 or self.step == self.config.steps:
                self._save()
        self.model.eval()

    def _read_shelves(self, progress: bool) -> list[ReadShelf]:
        rng = np.random.default_rng(derive_seed("judge shelves", self.seed))
        count = self.config.augmentations
        return [
            read_shelf(self.model, self.processor, shelf, self.labels, count, rng, progress) for shelf in self.shelves
        ]

    def _prepare(self, progress: bool) -> None:
        """The vision tower on its own, calibrated before and after."""
        self._calibrate()
        pretrain_vision(self.model, self.processor, self._batch, self.seed, self.config, progress)
        self._calibrate()
        self._save()

    def _calibrate(self) -> None:
        views = self.shelves[0].views[:_CALIBRATION_GROUPS]
        images = torch.from_numpy(views.reshape(-1, *views.shape[2:]).transpose(0, 3, 1, 2).copy())
        inputs = self.processor.image_processor(images=list(images), return_tensors="pt")
        calibrate(self.model, inputs["pixel_values"], inputs["image_grid_thw"])

    def _batch(self, step: int) -> Batch:
        return draw_batch(self.shelves, self.labels, derive_seed("judge vision", self.seed, step), self.config)

    def train_step(self, shelves: Sequence[ReadShelf]) -> float:
        """One optimiser step of the text model; returns the loss."""
        rng = np.random.default_rng(derive_seed("judge batch", self.seed, self.step))
        shelf, rows = drawn_rows(shelves, self.config.size_shares, self.config.batch_groups, rng)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * _schedule(self.step, self.config)
        weight = self.config.expectation_weight
        loss = reading_loss(self.model, self.processor, self.tokens, shelf, rows, weight)
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
    """AdamW over the text model; the output layer learns faster. The vision tower rests."""
    text = list(model.model.language_model.parameters())
    groups = [
        {"params": text, "weight_decay": config.weight_decay, "peak": config.learning_rate},
        {"params": [model.lm_head.weight], "weight_decay": config.weight_decay, "peak": config.head_learning_rate},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, config.beta2))


def _schedule(step: int, config: JudgeTrainingConfig) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak."""
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    done = step / config.steps
    return warm * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)
