"""Config of the roles that run on the cluster: rollout workers, learner, control plane."""

import math
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config.base import Config


class ResourcesConfig(Config):
    """Resources that Ray reserves for one actor of a role."""

    num_cpus: NonNegativeFloat = 1.0
    """CPU cores."""
    num_gpus: NonNegativeFloat = 0.0
    """GPUs; a fraction shares one."""
    threads: PositiveInt = 1
    """torch threads of the process."""
    label_selector: dict[str, str] = Field(default_factory=dict)
    """Ray node labels that the actor needs, e.g. {"oars-pool": "rollout"}."""


class RolloutConfig(Config):
    """The rollout workers, which sample candidates."""

    workers: PositiveInt = 1
    """Number of workers."""
    candidates: int = Field(default=24, ge=2)
    """K, candidates per LR image (paper: 24)."""
    resources: ResourcesConfig = ResourcesConfig()
    gpu_memory_utilization: float = Field(default=1.0, gt=0, le=1)
    """Largest share of its GPU that a worker may take, its CUDA context of half a GB aside. Below 1 where roles share a
    device: who needs more fails, and not its neighbour."""
    max_restarts: NonNegativeInt = 3
    """Times that Ray restarts a worker that died."""


class LearnerConfig(Config):
    """The learner: DeepSpeed ranks, one Ray actor each."""

    ranks: PositiveInt = 1
    """Number of ranks."""
    zero_stage: Literal[0, 1, 2, 3] = 0
    """DeepSpeed ZeRO stage: 1 shards optimiser state, 2 also gradients, 3 also parameters."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    resources: ResourcesConfig = ResourcesConfig()
    gpu_memory_utilization: float = Field(default=1.0, gt=0, le=1)
    """The same of a rank, in RL."""


class ControlConfig(Config):
    """The conductor: admission, deadlines, checkpoints, watchdog."""

    max_staleness: NonNegativeInt | Literal["unbounded"] = 1
    """S: how many versions behind a group may be when it is trained. 0 is the synchronous algorithm. `unbounded` never
    makes a rollout worker wait and drops no group for its age."""
    group_deadline_s: PositiveFloat = 300.0
    """Seconds that sampling one group may take."""
    group_attempts: PositiveInt = 3
    """Attempts at sampling one group before it is dropped."""
    pause_s: PositiveFloat = 30.0
    """Seconds for which the circuit breaker pauses admission before it tries the reward service again."""
    step_deadline_s: PositiveFloat = 900.0
    """Seconds that one optimiser step, publication or checkpoint may take."""
    evaluation_deadline_s: PositiveFloat = 3600.0
    """Seconds that the held-out evaluation of one model may take."""
    checkpoint_every: PositiveInt = 10
    """RL optimiser steps between checkpoints. A crash repeats the steps since the last one."""
    cold_start_checkpoint_every: PositiveInt = 100
    """Cold-start steps between checkpoints, which hold every parameter with its optimiser state."""
    kept_pictures: NonNegativeInt = 4
    """Candidates of each group with a ground truth that stay in `pictures/`, for `oars compass refresh`; 0 keeps none.
    In the paper's setting 4 take about 2 MB a group."""
    keep_checkpoints: PositiveInt = 2
    """Checkpoints kept; older ones are deleted."""
    heartbeat_s: PositiveFloat = 5.0
    """Seconds between health checks of learner ranks that no call waits for."""
    learner_restarts: NonNegativeInt = 3
    """Losses of the learner in a row, without a step in between, before the run fails."""
    stall_s: PositiveFloat = 600.0
    """Seconds without progress after which the watchdog stops the run."""
    start_deadline_s: PositiveFloat = 600.0
    """Seconds that actors may take to start, and that the actors of a dead driver may take to end."""

    @property
    def staleness_bound(self) -> float:
        """`max_staleness` as a number."""
        return math.inf if self.max_staleness == "unbounded" else self.max_staleness
