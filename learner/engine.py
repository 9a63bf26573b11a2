"""DeepSpeed behind a small surface: join the ranks, take optimiser steps of any number of micro-batches, save, load.

Trained parameters stay float32 and arithmetic runs under autocast in the generator's dtype, exactly as in the rollout
workers. Gradients are averaged over ranks; a caller therefore weighs its losses by ranks / total. Imported only inside
rank processes, after `DS_ACCELERATOR` is set.
"""

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import deepspeed
import deepspeed.comm as distributed
import deepspeed.ops
import torch
from torch import Tensor, nn

from learner.compat.deepspeed import use_gloo
from learner.errors import NonFiniteGradient
from oars.config import LearnerConfig, OptimiserConfig
from oars.generator.parts import named_parts

T = TypeVar("T")

_TAG = "engine"
# Elements that ZeRO holds beside a rank's share, less than DeepSpeed's own: 0.4 GB for reduction in float32, and little
# more than one block (340 M) of gathered parameters.
_BUCKETS = {
    "reduce_bucket_size": 100_000_000,
    "stage3_prefetch_bucket_size": 50_000_000,
    "stage3_max_live_parameters": 400_000_000,
    "stage3_max_reuse_distance": 400_000_000,
}


def join(rank: int, world: int, address: str) -> None:
    """Become one of `world` ranks that meet at `address` (host:port). Collective."""
    host, port = address.rsplit(":", 1)
    # LOCAL_RANK picks a device among the visible ones, and Ray shows an actor only its own.
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK="0", MASTER_ADDR=host, MASTER_PORT=port)
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    use_gloo()
    distributed.init_distributed(auto_mpi_discovery=False, verbose=False)


def barrier() -> None:
    distributed.barrier()


def gathered(own: dict[str, T]) -> dict[str, T]:
    """The entries of all ranks together. Collective."""
    parts: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(parts, own)
    return {name: value for part in parts for name, value in part.items()}


class Engine:
    """One module under training. `partitioned` (ZeRO-3): each rank holds a part of every parameter, so that a forward
    pass is a collective of all ranks."""

    def __init__(
        self,
        module: nn.Module,
        trained: Sequence[nn.Parameter],
        optimiser: OptimiserConfig,
        learner: LearnerConfig,
        dtype: torch.dtype,
        rates: Sequence[float] | None = None,
    ) -> None:
        """`rates`: of each trained parameter, relative to the learning rate; 1 by default."""
        self._trained = trained
        self.partitioned = learner.zero_stage == 3
        settings = _config(optimiser, learner, dtype)
        for _, part in [*named_parts(module), ("", module)]:
            _prepare(part, settings if self.partitioned else None)
        self._engine: Any = deepspeed.initialize(
            model=module, model_parameters=_groups(trained, rates), config=settings
        )[0]
        self._clip = optimiser.grad_clip

    @property
    def model(self) -> nn.Module:
        """The module for trained forward passes: DeepSpeed's wrapper, which counts them."""
        wrapper: nn.Module = self._engine
        return wrapper

    @property
    def device(self) -> torch.device:
        return torch.device(self._engine.device)

    def set_learning_rate(self, value: float) -> None:
        """Set the learning rate of the next steps."""
        for group in self._engine.optimizer.param_groups:
            group["lr"] = value * group["rate"]

    def step(self, losses: Sequence[Callable[[], Tensor]]) -> float:
        """One optimiser step on the sum of the losses, each computed in turn; the gradient's norm before clipping.

        Collective: every rank brings the same number of losses. Raises NonFiniteGradient on all ranks.
        """
        for index, loss in enumerate(losses, start=1):
            self._engine.set_gradient_accumulation_boundary(index == len(losses))
            self._engine.backward(loss())
        norm = self._gradient_norm()
        self._engine.step()
        norm = float(self._engine.get_global_grad_norm()) if norm is None else norm
        if not math.isfinite(norm):
            raise NonFiniteGradient(f"gradient norm is {norm}")
        return norm

    def _gradient_norm(self) -> float | None:
        """Norm of the averaged gradients if every rank holds them whole (ZeRO 0); None if DeepSpeed computes it."""
        if self._engine.zero_optimization():
            return None
        norm = torch.nn.utils.get_total_norm([p.grad for p in self._trained if p.grad is not None]).item()
        if not math.isfinite(norm):
            raise NonFiniteGradient(f"gradient norm is {norm}")
        return norm

    @contextmanager
    def whole(self, parameters: Iterable[nn.Parameter], write: bool = False) -> Iterator[None]:
        """Inside, the parameters are whole on every rank even if ZeRO-3 partitions them; collective."""
        if not self.partitioned:
            yield
            return
        # With `write`, what rank 0 holds at the end is what every rank keeps a part of.
        with deepspeed.zero.GatheredParameters(list(parameters), modifier_rank=0 if write else None):
            yield

    def total(self, values: Tensor) -> Tensor:
        """Sum over ranks, on the CPU; collective."""
        summed = values.to(self.device)
        distributed.all_reduce(summed)
        return summed.cpu()

    def save(self, directory: Path) -> None:
        """Trained parameters and optimiser state; collective, one or two files a rank."""
        self._engine.save_checkpoint(str(directory), _TAG, save_latest=False, exclude_frozen_parameters=True)

    def load(self, directory: Path) -> None:
        """Load into an engine that has not trained yet; collective."""
        self._engine.load_checkpoint(str(directory), _TAG, load_module_strict=False)

    def close(self) -> None:
        self._engine.destroy()


def _prepare(part: nn.Module, partition: dict[str, Any] | None) -> None:
    """Trained parameters become float32 and, with ZeRO-3's config, all of them partitioned, before the next part is
    touched: no rank ever holds the module whole on its device, nor in float32."""
    for parameter in part.parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()
    if partition is not None:
        deepspeed.zero.Init(module=part, config_dict_or_path=partition)


def _groups(trained: Sequence[nn.Parameter], rates: Sequence[float] | None) -> list[dict[str, Any]]:
    """Parameters of one rate together, in the order of their first."""
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter, rate in zip(trained, rates or [1.0] * len(trained), strict=True):
        groups.setdefault(rate, []).append(parameter)
    return [{"params": parameters, "rate": rate} for rate, parameters in groups.items()]


def _config(optimiser: OptimiserConfig, learner: LearnerConfig, dtype: torch.dtype) -> dict[str, Any]:
    return {
        # The number of micro-batches differs from step to step, so the caller sets each boundary.
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": optimiser.grad_clip,
        "steps_per_print": 10**9,
        "zero_optimization": {"stage": learner.zero_stage, **_BUCKETS},
        "optimizer": {
            "type": "AdamW",
            "params": {
                "lr": optimiser.lr,
                "weight_decay": optimiser.weight_decay,
                "betas": list(optimiser.betas),
                "eps": optimiser.eps,
                "torch_adam": True,
            },
        },
        # Without this section DeepSpeed turns the caller's autocast off. No module is listed: gradients are reduced
        # in float32.
        "torch_autocast": {
            "enabled": dtype != torch.float32,
            "dtype": str(dtype).removeprefix("torch."),
            "lower_precision_safe_modules": [],
        },
    }
