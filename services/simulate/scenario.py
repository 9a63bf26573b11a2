"""A scenario to rehearse, read from YAML: number and service times of each role, rates of faults."""

import math
import random
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config import BadConfig
from oars.config.base import Config
from oars.config.cluster import ControlConfig
from oars.config.compass import RewardClientConfig
from oars.config.loading import read_config

Share = Field(default=0.0, ge=0, le=1)


class Duration(Config):
    """Seconds of a service."""

    mean: NonNegativeFloat
    cv: NonNegativeFloat = 0.1
    """Standard deviation over the mean."""
    shape: Literal["lognormal", "exponential", "constant"] = "lognormal"

    def draw(self, chance: random.Random) -> float:
        if self.shape == "constant" or self.mean == 0 or (self.shape == "lognormal" and self.cv == 0):
            return self.mean
        if self.shape == "exponential":
            return chance.expovariate(1 / self.mean)
        variance = math.log1p(self.cv**2)
        return chance.lognormvariate(math.log(self.mean) - variance / 2, math.sqrt(variance))


class RolloutScenario(Config):
    workers: PositiveInt = 4
    candidates: PositiveInt = 24
    sample: Duration
    """One group of K candidates."""
    install: Duration = Duration(mean=2.0)
    """A new version."""
    write: Duration = Duration(mean=0.3)
    """One training sample to the run's storage, beside its scoring; 70 MB at 250 MB/s."""


class JudgeScenario(Config):
    replicas: PositiveInt = 8
    at_once: PositiveInt = 4
    """Groups that a replica judges at a time, each in the time below (continuous batching)."""
    score: Duration
    """One group, while `at_once` share the replica."""


class LearnerScenario(Config):
    steps: PositiveInt = 60
    groups: PositiveInt = 8
    """Groups in one optimiser step."""
    step: Duration
    publish: Duration = Duration(mean=2.0)
    save: Duration = Duration(mean=10.0)
    start: Duration = Duration(mean=120.0)
    """New ranks: processes, weights, collectives."""


class FaultScenario(Config):
    """Rates of faults; 0 is never."""

    worker_dies: float = Share
    """Share of groups during which the worker is lost; it is back after `worker_back_s`."""
    worker_back_s: PositiveFloat = 60.0
    worker_hangs: float = Share
    """Share of groups that never finish, until their deadline."""
    replica_dies: float = Share
    """Share of requests during which the judge's replica is lost; it is back after `replica_back_s`."""
    replica_back_s: PositiveFloat = 120.0
    judge_down_at_s: NonNegativeFloat = 0.0
    judge_down_s: NonNegativeFloat = 0.0
    """Seconds for which the whole judge does not answer, from `judge_down_at_s` on."""
    candidate_fails: float = Share
    """Share of candidates without a score."""
    degenerate: float = Share
    """Share of groups whose candidates are all good and alike."""
    learner_dies: float = Share
    """Share of optimiser steps during which a rank is lost."""


class Scenario(Config):
    """One rehearsal."""

    name: str
    seed: NonNegativeInt = 0
    rollout: RolloutScenario
    judge: JudgeScenario
    learner: LearnerScenario
    faults: FaultScenario = FaultScenario()
    control: ControlConfig = ControlConfig()
    """See the field of the same name in a run profile."""
    reward: RewardClientConfig = RewardClientConfig()
    """See the field of the same name in a run profile."""

    @property
    def bounds(self) -> dict[str, float]:
        """Groups a second that each role could do if it never waited and nothing went wrong."""
        return {
            "rollout": self.rollout.workers / self.rollout.sample.mean,
            "judge": self.judge.replicas * self.judge.at_once / self.judge.score.mean,
            "learner": self.learner.groups / self.learner.step.mean,
        }

    @property
    def bottleneck(self) -> str:
        return min(self.bounds, key=self.bounds.__getitem__)


_SHIPPED = Path(__file__).with_name("scenarios")


def shipped() -> list[str]:
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


def load_scenario(name: str, overrides: list[str]) -> Scenario:
    """A shipped scenario by name, or a YAML file; `overrides` as in profiles. Raises BadConfig."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else _SHIPPED / f"{name}.yaml"
    if not path.is_file():
        raise BadConfig(f"no scenario {name!r}: expected a YAML file or one of {', '.join(shipped())}")
    return read_config(Scenario, path, overrides)
