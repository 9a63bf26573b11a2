"""Config of the roles that run on the cluster: rollout workers, learner, control plane."""

import math
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config.base import Config


class ResourcesConfig(Config):
    """What Ray reserves for one actor of a role."""

    num_cpus: NonNegativeFloat = 1.0
    num_gpus: NonNegativeFloat = 0.0
    threads: PositiveInt = 1
    """torch threads of the process."""
    label_selector: dict[str, str] = Field(default_factory=dict)
    """Ray node labels that the actor needs, e.g. {"oars-pool": "rollout"}."""


class RolloutConfig(Config):
    workers: PositiveInt = 1
    candidates: PositiveInt = 24
    """K, candidates per LR image (paper: 24)."""
    resources: ResourcesConfig = ResourcesConfig()
    max_restarts: NonNegativeInt = 3


class LearnerConfig(Config):
    ranks: PositiveInt = 1
    zero_stage: Literal[0, 1, 2, 3] = 0
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    resources: ResourcesConfig = ResourcesConfig()


class ControlConfig(Config):
    """The conductor: admission, deadlines, checkpoints, watchdog."""

    max_staleness: NonNegativeInt | Literal["unbounded"] = 1
    """S: how many versions behind a group may be when it is trained. 0 is the synchronous algorithm; `unbounded` never
    makes a rollout worker wait, nor drops a group for its age."""
    group_deadline_s: PositiveFloat = 300.0
    group_attempts: PositiveInt = 3
    pause_s: PositiveFloat = 30.0
    """How long too many failed scores pause admission before the reward service is tried again."""
    step_deadline_s: PositiveFloat = 900.0
    """Seconds that one optimiser step, publication or checkpoint may take."""
    evaluation_deadline_s: PositiveFloat = 3600.0
    """Seconds that the held-out evaluation of one model may take."""
    checkpoint_every: PositiveInt = 10
    """Optimiser steps of RL between checkpoints; what was done since the last one is repeated after a crash."""
    cold_start_checkpoint_every: PositiveInt = 100
    """The same for the cold start, whose checkpoints hold every parameter with its optimiser state."""
    keep_checkpoints: PositiveInt = 2
    """Older ones are deleted."""
    heartbeat_s: PositiveFloat = 5.0
    """Seconds between looks at learner ranks that nobody waits for; others are noticed by the call that waits."""
    learner_restarts: NonNegativeInt = 3
    """How often the learner may be lost in a row, without a step in between, before the run fails."""
    stall_s: PositiveFloat = 600.0
    """Seconds without progress after which the watchdog stops the run."""
    start_deadline_s: PositiveFloat = 600.0
    """Seconds that actors may take to come up, and those of a driver that died to go."""

    @property
    def staleness_bound(self) -> float:
        """`max_staleness` as a number."""
        return math.inf if self.max_staleness == "unbounded" else self.max_staleness
