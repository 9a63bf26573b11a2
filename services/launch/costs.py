"""Memory and time that a run takes, by role, phase and stage, its refresh included."""

from dataclasses import dataclass

from oars.config import RunConfig
from oars.device_memory import Phases, Sizes, phases
from oars.expected_time import Expected, expected
from oars.model_sizes import model_sizes
from services.reward_modeling.refresh_settings import refresh_labels, stage_training

_HOUR, _MINUTE = 3600, 60


@dataclass(frozen=True)
class Costs:
    """Of one run."""

    sizes: Sizes
    phases: Phases
    times: list[Expected]
    """None of a run without GPUs."""


def costs(config: RunConfig) -> Costs:
    """Raises MissingModel, BadConfig."""
    training = stage_training(config)
    sizes = model_sizes(config, training)
    times = expected(config, sizes, training, refresh_labels().pool.actors)
    return Costs(sizes, phases(config, sizes, training), times)


def duration(seconds: float | None) -> str:
    """For people."""
    if seconds is None:
        return "not known without GPUs"
    if seconds < 2 * _MINUTE:
        return f"about {seconds:.0f} s"
    return f"about {seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"about {seconds / _HOUR:.1f} h"
