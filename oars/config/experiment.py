"""Config of an experiment: the same alignment with and without one thing, on several seeds."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, StringConstraints, model_validator

from oars.config.base import Config
from oars.config.loading import read_config

ArmName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,29}$")]
Direction = Literal["up", "down"]


class ExperimentConfig(Config):
    """Arms that differ in a few config fields; each is compared with the first, seed by seed."""

    question: str = Field(min_length=1)
    """What the experiment asks, in one line."""
    profile: Path | None = None
    """Run profile, YAML, of every arm. None: the embedded miniature."""
    common: tuple[str, ...] = ()
    """Overrides of every arm, `field=value`."""
    arms: dict[ArmName, tuple[str, ...]] = Field(min_length=2)
    """Overrides by arm; the first arm is the one that the others are compared with."""
    seeds: tuple[NonNegativeInt, ...] = Field(default=(0, 1, 2), min_length=3)
    """One run an arm and seed. With fewer than 3 an interval says nothing."""
    expected: dict[str, Direction] = Field(min_length=1)
    """Metrics of the held-out table, and how each should move against the first arm."""

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: a seed is there twice")
        return self


def load_experiment(path: Path | str) -> ExperimentConfig:
    """Raises BadConfig with one line that names the file and the field."""
    return read_config(ExperimentConfig, path, [])
