"""One frozen pydantic tree: what a run depends on, and nothing else. Importable without torch."""

from oars.config.alarms import AlarmsConfig
from oars.config.alignment import ObjectiveConfig, OptimiserConfig, RefreshConfig, StagesConfig
from oars.config.base import BadConfig
from oars.config.cluster import ControlConfig, LearnerConfig, ResourcesConfig, RolloutConfig
from oars.config.compass import GatewayConfig, JudgeConfig, RewardClientConfig
from oars.config.degradation import DegradationConfig, LowQualityConfig
from oars.config.generator import GeneratorConfig, LoraConfig, SamplerConfig
from oars.config.run import DataConfig, RunConfig, load_profile

__all__ = [
    "AlarmsConfig",
    "BadConfig",
    "ControlConfig",
    "DataConfig",
    "DegradationConfig",
    "GatewayConfig",
    "GeneratorConfig",
    "JudgeConfig",
    "LearnerConfig",
    "LoraConfig",
    "LowQualityConfig",
    "ObjectiveConfig",
    "OptimiserConfig",
    "RefreshConfig",
    "ResourcesConfig",
    "RewardClientConfig",
    "RolloutConfig",
    "RunConfig",
    "SamplerConfig",
    "StagesConfig",
    "load_profile",
]
