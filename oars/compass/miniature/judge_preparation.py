"""Brings a new miniature judge to where fine-tuning works: its vision tower alone, then the output layer at once.

Through an untrained text model a gradient for quality reaches an untrained vision tower too faintly to beat the noise.
A small head on the tokens' means (pooled_head.py) passes it on directly and costs no text tokens. Then the output layer
is set by least squares (judge_output.py). A pretrained Qwen3-VL needs none of this. Ours.
"""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oars.compass.judge_forward import encode_pictures
from oars.compass.miniature.judge_model import build_processor, build_tokenizer, calibrate, judge_config, new_judge
from oars.compass.miniature.judge_output import fit_output_layer
from oars.compass.miniature.pooled_head import PooledHead
from oars.compass.training.examples import Batch, Examples, draw_batch
from oars.compass.training.parameters import write_judge
from oars.config.judge_training import JudgeTrainingConfig
from oars.files import write_whole
from oars.precision import compute_dtype, computing_in
from oars.seeds import derive_seed

_CALIBRATION_GROUPS = 64
_WARMUP = 50


class Preparation:
    """Owns a new miniature, the head and their optimiser; goes on from `work / preparation.pt` if that is there."""

    def __init__(self, examples: Examples, config: JudgeTrainingConfig, work: Path) -> None:
        self._examples, self._config, self._state = examples, config, work / "preparation.pt"
        self._dtype = compute_dtype(config.dtype)
        tokenizer = build_tokenizer()
        self.processor = build_processor(tokenizer)
        self.model = new_judge(judge_config(tokenizer), config.seed)
        visual = self.model.model.visual
        channels = visual.config.out_hidden_size * (1 + len(visual.config.deepstack_visual_indexes))
        self._head = PooledHead(channels, config.seed)
        self._optimiser = _optimiser(visual, self._head, config)
        self.step = 0
        if self._state.exists():
            self._load()
        else:
            self._calibrate()

    def train(self) -> float:
        """One step; the loss."""
        preparation = self._config.preparation
        for group in self._optimiser.param_groups:
            group["lr"] = group["peak"] * _schedule(self.step, preparation.steps)
        seed = derive_seed("judge vision", self._config.seed, self.step)
        loss = self._loss(draw_batch(self._examples, self._config, preparation.batch_groups, seed))
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.model.visual.parameters(), self._config.optimiser.grad_clip)
        self._optimiser.step()
        self.step += 1
        if self.step % preparation.checkpoint_every == 0:
            self._save()
        return float(loss.detach())

    def write(self, path: Path) -> None:
        """Calibrate again, fit the output layer, and write the judge, float32, to the empty folder `path`."""
        self._calibrate()
        batches = [
            draw_batch(self._examples, self._config, self._config.batch_groups, derive_seed("judge fit", index))
            for index in range(-(-self._config.preparation.fitted_groups // self._config.batch_groups))
        ]
        fit_output_layer(self.model, self.processor, batches, self._dtype)
        write_judge(self.model, self.processor, path, torch.float32)

    def _loss(self, batch: Batch) -> Tensor:
        with computing_in(self._dtype):
            encoded = encode_pictures(self.model, self.processor, batch.views.reshape(-1, *batch.views.shape[2:]))
        tokens = torch.cat([encoded.tokens, *encoded.deepstack], -1).float().unflatten(0, batch.views.shape[:2])
        return self._head.loss(tokens, batch)

    def _calibrate(self) -> None:
        batch = draw_batch(self._examples, self._config, _CALIBRATION_GROUPS, derive_seed("judge calibration"))
        images = torch.from_numpy(batch.views.reshape(-1, *batch.views.shape[2:]).transpose(0, 3, 1, 2).copy())
        inputs = self.processor.image_processor(images=list(images), return_tensors="pt")
        calibrate(self.model, inputs["pixel_values"], inputs["image_grid_thw"])

    def _save(self) -> None:
        parts = (self.model, self._head, self._optimiser)
        state = {"step": self.step, "parts": [part.state_dict() for part in parts]}
        write_whole(self._state, lambda aside: torch.save(state, aside))

    def _load(self) -> None:
        state: dict[str, Any] = torch.load(self._state, weights_only=True)
        for part, values in zip((self.model, self._head, self._optimiser), state["parts"], strict=True):
            part.load_state_dict(values)
        self.step = state["step"]


def _optimiser(visual: nn.Module, head: nn.Module, config: JudgeTrainingConfig) -> torch.optim.Optimizer:
    preparation = config.preparation
    groups = [
        {"params": list(visual.parameters()), "peak": preparation.learning_rate},
        {"params": list(head.parameters()), "peak": preparation.head_learning_rate},
    ]
    return torch.optim.AdamW(groups, betas=config.optimiser.betas, weight_decay=preparation.weight_decay)


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak."""
    return min(1.0, (step + 1) / _WARMUP) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
