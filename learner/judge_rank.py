"""One DeepSpeed rank of the judge's training: fine-tuning steps, measurements on validation photos, the judge's files.

Step s draws its batch from (seed, s) on every rank, and each computes its part: any number of ranks takes the same
steps up to the order of sums. The preparation of a new miniature runs on rank 0 alone.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from learner.plan import chunked, deal
from learner.rank_process import RankProcess
from oars.compass.training.examples import Batch, draw_batch, open_examples
from oars.compass.training.files import JudgeFiles
from oars.config import OptimiserConfig
from oars.config.judge_training import JudgeOptimiserConfig, JudgeTrainingConfig
from oars.device import cap_device_memory
from oars.files import begin_directory, publish_directory, write_directory
from oars.precision import compute_dtype, computing_in
from oars.seeds import derive_seed

if TYPE_CHECKING:
    from oars.compass.miniature.judge_preparation import Preparation


@dataclass(frozen=True)
class JudgeStep:
    """One optimiser step; the same on every rank but for the seconds."""

    step: int
    loss: float
    grad_norm: float
    """Gradient norm before clipping."""
    seconds: float


class JudgeRank(RankProcess):
    """Runs as a Ray actor. `begin` (or `load`) comes before steps."""

    def __init__(self, config: JudgeTrainingConfig, files: JudgeFiles, rank: int, world: int) -> None:
        super().__init__(config.learner, rank, world)
        self._config, self._files = config, files
        self._preparation: Preparation | None = None
        self._tuning: Tuning | None = None

    def prepare(self) -> int:
        """One step of a new miniature's preparation, or, after the last, its directory; the steps done so far.

        On rank 0; resumes by itself.
        """
        if self._rank:
            return 0
        from oars.compass.miniature.judge_preparation import Preparation

        if self._preparation is None:
            self._preparation = Preparation(open_examples(self._files.train), self._config, self._files.work)
        if self._preparation.step < self._config.preparation.steps:
            self._preparation.train()
        if self._preparation.step >= self._config.preparation.steps:
            write_directory(self._files.prepared, self._preparation.write)
        return self._preparation.step

    def begin(self) -> None:
        """Load the judge to start from, and the examples."""
        cap_device_memory(self._config.learner.gpu_memory_utilization)
        self._preparation = None
        self._tuning = Tuning(self._config, self._files, self._rank, self._world)

    def step(self) -> JudgeStep:
        return self._in_tuning().step()

    def measure(self, groups: Sequence[int]) -> list[tuple[int, float]]:
        """(validation group, `held_out_accuracy`) of this rank's share of the groups."""
        return self._in_tuning().measure(groups)

    def write(self, path: Path, beside: dict[str, str]) -> None:
        """The judge as it is now, whole or not at all; `beside`: file name -> text, next to its weights."""
        self._in_tuning().write(path, beside)

    def _in_tuning(self) -> "Tuning":
        if self._tuning is None:
            raise RuntimeError("`begin` has not been called")
        return self._tuning

    def _enter(self, phase: str) -> None:
        self.begin()

    @property
    def _phase(self) -> "Tuning":
        return self._in_tuning()

    @property
    def _phase_name(self) -> str:
        return f"judge, {self._config.trained}"


class Tuning:
    """Owns the judge under fine-tuning and its DeepSpeed engine."""

    def __init__(self, config: JudgeTrainingConfig, files: JudgeFiles, rank: int, world: int) -> None:
        from transformers import AutoProcessor

        from learner.engine import Engine
        from oars.compass.training.objective import JudgeObjective
        from oars.compass.training.parameters import load_trainable, rates

        self._config, self._files, self._rank, self._world = config, files, rank, world
        self._train, self._validation = (open_examples(path) for path in (files.train, files.validation))
        start = files.start(config)
        model = load_trainable(start, config)
        if config.learner.gradient_checkpointing:
            model.gradient_checkpointing_enable()
        processor = AutoProcessor.from_pretrained(start, local_files_only=True)
        self._dtype: torch.dtype = compute_dtype(config.dtype)
        self._objective = JudgeObjective(model, processor, config.target, trains_vision=config.trained == "all")
        self._trained = rates(self._objective, config)
        peak = max(self._trained.values())
        self._engine: Engine = Engine(
            self._objective,
            list(self._trained),
            _adamw(config.optimiser, peak),
            config.learner,
            self._dtype,
            [rate / peak for rate in self._trained.values()],
        )
        self._peak = peak
        self.steps = 0

    def step(self) -> JudgeStep:
        """One optimiser step. Collective."""
        from oars.compass.training.objective import Counts

        start, config = time.monotonic(), self._config
        self._objective.train()
        seed = derive_seed("judge batch", config.seed, self.steps)
        batch = draw_batch(self._train, config, config.batch_groups, seed)
        counts, total = Counts.of(batch), torch.zeros(1, dtype=torch.float64)
        chunks = chunked(range(len(batch.views)), config.micro_batch)

        def loss(part: Batch, counted: bool) -> Tensor:
            value: Tensor = self._engine.model(part, counts) * counted
            total.add_(value.detach().double().cpu())
            return value * self._world

        own = deal(chunks, self._world)[self._rank]
        self._engine.set_learning_rate(self._peak * schedule(self.steps, config.steps, config.optimiser))
        norm = self._engine.step([partial(loss, batch.rows(dealt.work), dealt.counted) for dealt in own])
        self.steps += 1
        return JudgeStep(self.steps, self._engine.total(total).item(), norm, time.monotonic() - start)

    def measure(self, groups: Sequence[int]) -> list[tuple[int, float]]:
        from oars.compass.judge import Judge
        from oars.compass.training.selection import held_out_accuracy

        judge = Judge(self._objective.model, self._objective.processor, self._objective.prompts)
        self._objective.eval()
        measured = []
        for dealt in deal(groups, self._world)[self._rank]:
            with computing_in(self._dtype, self._engine.device.type):
                accuracy = held_out_accuracy(judge, self._validation, dealt.work, self._config)
            if dealt.counted:
                measured.append((dealt.work, accuracy))
        return measured

    def write(self, path: Path, beside: dict[str, str]) -> None:
        from learner.engine import barrier
        from oars.compass.training.parameters import write_judge

        with self._engine.whole(self._objective.parameters()):
            if self._rank == 0:
                aside = begin_directory(path)
                write_judge(self._objective.model, self._objective.processor, aside, torch.bfloat16)
                for name, text in beside.items():
                    (aside / name).write_text(text)
                publish_directory(path)
        barrier()

    def save(self, directory: Path) -> dict[str, Any]:
        self._engine.save(directory)
        return {"steps": self.steps}

    def load(self, directory: Path, state: dict[str, Any]) -> None:
        self._engine.load(directory)
        self.steps = state["steps"]


def _adamw(config: JudgeOptimiserConfig, peak: float) -> OptimiserConfig:
    return OptimiserConfig(lr=peak, weight_decay=config.weight_decay, betas=config.betas, grad_clip=config.grad_clip)


def schedule(step: int, steps: int, config: JudgeOptimiserConfig) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine to `floor`."""
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    return warm * (config.floor + (1 - config.floor) * (1 + math.cos(math.pi * step / steps)) / 2)
