"""Settings of a judge's refresh, known before Ray or torch is imported."""

import math
from collections.abc import Sequence
from pathlib import Path

from oars.compass.formula import GAMMA
from oars.compass.training.files import check_start
from oars.config import BadConfig, JudgeConfig, RunConfig
from oars.config.annotation import AnnotationConfig, load_annotation
from oars.config.judge_training import JudgeTrainingConfig, load_training
from oars.deployment import DEFAULT_ANNOTATION, DEFAULT_REFRESH, deploy_path
from oars.errors import naming


def refresh_training(judge: JudgeConfig, path: Path | None, overrides: Sequence[str] = ()) -> JudgeTrainingConfig:
    """The training on from this judge; `path` None: the embedded config. Raises BadConfig."""
    return load_training(path or deploy_path(DEFAULT_REFRESH), [f"init={judge.path}", *overrides])


def stage_training(config: RunConfig) -> JudgeTrainingConfig | None:
    """The training of `stages.refresh`; None without one. Raises BadConfig."""
    if (refresh := config.stages.refresh) is None:
        return None
    with naming("stages.refresh.training", BadConfig):
        return refresh_training(config.judge, refresh.training)


def check_refresh(config: RunConfig) -> None:
    """The config of the training and the judge that it starts from. Raises BadConfig, MissingModel."""
    if (training := stage_training(config)) is not None:
        check_start(training)


def refresh_labels() -> AnnotationConfig:
    """By the measured metrics."""
    return load_annotation(deploy_path(DEFAULT_ANNOTATION))


def refresh_cpus(training: JudgeTrainingConfig) -> int:
    """Logical CPUs of the ranks and of those who measure pictures."""
    pool = refresh_labels().pool
    return training.cpus + math.ceil(pool.actors * pool.resources.num_cpus)


def gamma_of(config: RunConfig) -> float:
    """The exponent in the gate of the run's reward."""
    return config.reward.parameters.get("gamma", GAMMA)
