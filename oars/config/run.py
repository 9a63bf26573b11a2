"""The root of the config tree and its loading. A profile is a YAML file of this tree."""

from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from oars.config.alignment import ObjectiveConfig, OptimiserConfig, StagesConfig
from oars.config.base import Config
from oars.config.cluster import ControlConfig, LearnerConfig, RolloutConfig
from oars.config.compass import JudgeConfig, RewardClientConfig
from oars.config.degradation import DegradationConfig, LowQualityConfig
from oars.config.generator import GeneratorConfig, SamplerConfig

ConfigT = TypeVar("ConfigT", bound=Config)


class DataConfig(Config):
    """Photos, crop sizes, degradation."""

    photos: str = "packages"
    """`packages`, `wallpapers`, `all` (these two), `backgrounds` or a folder."""
    scale: PositiveInt = 4
    crop: PositiveInt = 512
    """Side of a training output (GT crop), pixels; the LR is `crop / scale`."""
    evaluation_crop: PositiveInt = 512
    evaluation_crops: PositiveInt = 100
    """Held-out crops that `held_out` in summary.json is measured on."""
    degradation: DegradationConfig = DegradationConfig()
    """GT -> LR of the paired stages and of the evaluation."""
    low_quality: LowQualityConfig = LowQualityConfig()
    """Inputs of the reference-free stage."""

    @model_validator(mode="after")
    def _scale_divides_crops(self) -> Self:
        for field in ("crop", "evaluation_crop"):
            if getattr(self, field) % self.scale:
                raise ValueError(f"{field} {getattr(self, field)} is no multiple of scale {self.scale}")
        return self


class RunConfig(Config):
    """Everything one alignment run depends on."""

    name: str = "oars"
    seed: NonNegativeInt = 0
    runs: Path = Path("runs")
    """Folder that holds the run directories."""
    data: DataConfig = DataConfig()
    generator: GeneratorConfig = GeneratorConfig()
    sampler: SamplerConfig = SamplerConfig()
    judge: JudgeConfig = JudgeConfig()
    reward: RewardClientConfig = RewardClientConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    stages: StagesConfig = StagesConfig()
    rollout: RolloutConfig = RolloutConfig()
    learner: LearnerConfig = LearnerConfig()
    control: ControlConfig = ControlConfig()
    labels: dict[str, str] = Field(default_factory=dict)
    """Free labels, copied to summary.json."""

    @model_validator(mode="after")
    def _versions_kept_are_bounded(self) -> Self:
        if self.objective.old_policy.at == "learner" and self.control.max_staleness == "unbounded":
            raise ValueError("objective.old_policy.at: the learner keeps max_staleness + 1 versions: give it a bound")
        return self


class BadConfig(ValueError):
    """A profile that cannot be used; the message is one line naming the file and the field."""


def load_profile(path: Path | str, overrides: list[str] | None = None) -> RunConfig:
    """Read a YAML profile; `overrides` are dotted assignments such as `control.max_staleness=0`.

    Raises BadConfig with one line that names the file and the field.
    """
    return validated(RunConfig, path, overrides or [])


def validated(model: type[ConfigT], path: Path | str, overrides: list[str]) -> ConfigT:
    """A YAML file with its overrides as a config of this model. Raises BadConfig as above."""
    tree = _read(path)
    for override in overrides:
        _assign(tree, override)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadConfig(f"{path}: {field}: {first['msg']}") from error


def _read(path: Path | str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise BadConfig(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise BadConfig(f"{path}: expected a mapping at the top level")
    return tree


def _assign(tree: dict[str, Any], override: str) -> None:
    dotted, equals, value = override.partition("=")
    if not equals:
        raise BadConfig(f"override {override!r}: expected field=value")
    *parents, leaf = dotted.strip().split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise BadConfig(f"override {override!r}: {parent} is not a group of fields")
    tree[leaf] = yaml.safe_load(value)
