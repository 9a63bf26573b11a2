"""The cold start on one rank: flow-matching SFT on LR-GT pairs (paper), of every parameter or of a LoRA.

Invariant: crop i of step s has the time and the noise that (run seed, s, i) write, whatever rank computes it.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learner.engine import Engine
from learner.plan import Dealt, chunked, deal
from learner.rate import rate
from learner.report import StepReport
from learner.sft_weights import ADAPTER, save_sft_weights
from oars.alignment.flow_matching import flow_matching_loss, interpolate, uniform_times
from oars.config import RunConfig
from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.policy import add_adapter, load_pipeline, predict_velocity
from oars.imaging.crops import Pair
from oars.precision import compute_dtype
from oars.seeds import derive_seed, seeded_noise


class ColdStart:
    """Owns the transformer, its DeepSpeed engine and what encodes the pairs."""

    def __init__(self, config: RunConfig, rank: int, world: int) -> None:
        self._config, self._rank, self._world = config, rank, world
        self._stage = config.stages.cold_start
        self._dtype = compute_dtype(config.generator.dtype)
        pipeline = load_pipeline(config.generator)
        self._transformer = pipeline.transformer.train().requires_grad_(self._stage.trained == "all")
        if config.learner.gradient_checkpointing:
            self._transformer.enable_gradient_checkpointing()
        if self._stage.trained == "lora":
            add_adapter(self._transformer, self._stage.lora, ADAPTER, config.seed)
        trained = [parameter for parameter in self._transformer.parameters() if parameter.requires_grad]
        learner = config.learner.model_copy(update={"zero_stage": cold_start_zero_stage(config)})
        self._engine = Engine(self._transformer, trained, self._stage.optimiser, learner, self._dtype)
        pipeline.text_encoder.to(self._engine.device)
        self._codec = Codec(pipeline.vae.to(self._engine.device))
        self._conditioner = Conditioner(pipeline, config.generator, self._codec)
        self.steps = 0

    def step(self, pairs: list[Pair]) -> StepReport:
        """One optimiser step on pairs of one size, each with its ground truth. Collective."""
        start, weight, losses = time.monotonic(), self._world / len(pairs), torch.zeros(1, dtype=torch.float64)
        seed = derive_seed(self._config.seed, "cold_start", self.steps)
        times = uniform_times(len(pairs), torch.Generator().manual_seed(seed))

        def loss(dealt: Sequence[Dealt[int]]) -> Tensor:
            crops, counted = [d.work for d in dealt], torch.tensor([float(d.counted) for d in dealt])
            values = self._losses([pairs[i] for i in crops], times[crops], [(seed, i) for i in crops])
            values = values * counted.to(values.device)
            losses.add_(values.detach().double().sum().cpu())
            return values.sum() * weight

        own, stage = deal(range(len(pairs)), self._world)[self._rank], self._stage
        self._engine.set_learning_rate(
            stage.optimiser.lr * rate(self.steps, stage.steps, stage.optimiser.floor, stage.warmup)
        )
        grad_norm = self._engine.step([partial(loss, chunk) for chunk in chunked(own, stage.optimiser.micro_batch)])
        self.steps += 1
        mean = self._engine.total(losses).item() / len(pairs)
        return StepReport(self.steps, -1, {"total": mean}, grad_norm, {}, time.monotonic() - start)

    def _losses(self, pairs: list[Pair], t: Tensor, seeds: list[tuple[int, int]]) -> Tensor:
        """Mean squared velocity error of each pair, [B]."""
        device = self._engine.device
        truths = np.stack([_ground_truth(pair) for pair in pairs])
        conditioning = [self._conditioner.condition(pair.lr, *truths.shape[1:3]) for pair in pairs]
        x0 = self._codec.encode(truths).to(device)
        noise = torch.stack([seeded_noise(tuple(x0.shape[1:]), *seed) for seed in seeds]).to(device)
        t = t.to(device)
        v = predict_velocity(self._engine.model, interpolate(x0, noise, t), t, conditioning, self._dtype)
        return flow_matching_loss(v, x0, noise)

    def save_weights(self, path: Path) -> None:
        """The transformer as a diffusers directory, whole or not at all. Collective."""
        save_sft_weights(self._engine, self._transformer, path, self._dtype, self._stage.lora, self._rank)

    def save(self, directory: Path) -> dict[str, Any]:
        """Write the state under `directory`; what it returns goes into the manifest."""
        self._engine.save(directory)
        return {"steps": self.steps}

    def load(self, directory: Path, state: dict[str, Any]) -> None:
        self._engine.load(directory)
        self.steps = state["steps"]

    def close(self) -> None:
        self._engine.close()


def cold_start_zero_stage(config: RunConfig) -> int:
    own = config.stages.cold_start.zero_stage
    return config.learner.zero_stage if own is None else own


def _ground_truth(pair: Pair) -> NDArray[np.uint8]:
    if pair.gt is None:
        raise ValueError(f"{pair.image_id}: a cold start needs the ground truth")
    return pair.gt
