"""The root of a run's config tree. A profile is a YAML file of this tree."""

from pathlib import Path
from typing import Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from oars.config.alarms import LEAST_WATCHED, LEAST_WATCHED_LR, AlarmsConfig
from oars.config.alignment import ObjectiveConfig, OptimiserConfig, StagesConfig
from oars.config.base import Config
from oars.config.cluster import ControlConfig, LearnerConfig, RolloutConfig
from oars.config.compass import JudgeConfig, RewardClientConfig
from oars.config.degradation import DegradationConfig, LowQualityConfig, Strengths
from oars.config.generator import GeneratorConfig, SamplerConfig
from oars.config.loading import read_config
from oars.config.sizes import MIN_SIDE, generator_fault, judge_fault


class DataConfig(Config):
    """Photos, crop sizes, degradation."""

    photos: str = Field(default="packages", min_length=1)
    """`packages`, `wallpapers`, `backgrounds`, `all` (what of these is installed), or a folder, which may hold tar and
    Parquet shards, on disk or in a bucket: `s3://BUCKET/FOLDER`, `gs://BUCKET/FOLDER`."""
    scale: PositiveInt = 4
    """Enlargement factor."""
    crop: PositiveInt = 512
    """Side of a training output (GT crop), pixels; the LR's is `crop / scale`."""
    evaluation_crop: int = Field(default=512, ge=MIN_SIDE)
    """Side of a held-out output, pixels; at least what the no-reference metrics take."""
    evaluation_crops: PositiveInt = 100
    """Number of held-out crops behind `held_out` in summary.json."""
    shown_crop: PositiveInt = 1024
    """Side of the larger outputs that the report shows, pixels: what a person looks at, made in tiles."""
    shown_crops: NonNegativeInt = 3
    """Number of them, drawn by the seed from the evaluation photos before the run."""
    degradation: DegradationConfig = DegradationConfig()
    """GT -> LR of the paired stages and of the evaluation."""
    strength: Strengths = (1.0, 1.0)
    """Each pair is degraded at a strength drawn from this interval: 1 is `degradation` as it stands, 0 a reduction
    alone. The weaker ones leave inputs that a policy should keep to (ours)."""
    low_quality: LowQualityConfig = LowQualityConfig()
    """Inputs of the reference-free stage."""


class RunConfig(Config):
    """Everything one alignment run depends on."""

    name: str = Field(default="oars", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")
    """First part of the run's id, which is the name of its directory."""
    seed: NonNegativeInt = 0
    """Seed of every draw."""
    runs: Path = Path("runs")
    """Folder of the run directories. A relative one lies in $OARS_HOME if that is set; else in the directory of the
    command or, for a job submitted without the command line, in ~/oars."""
    data: DataConfig = DataConfig()
    generator: GeneratorConfig = GeneratorConfig()
    sampler: SamplerConfig = SamplerConfig()
    judge: JudgeConfig = JudgeConfig()
    """The judge behind COMPASS."""
    reward: RewardClientConfig = RewardClientConfig()
    """The client of COMPASS."""
    objective: ObjectiveConfig = ObjectiveConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    stages: StagesConfig = StagesConfig()
    rollout: RolloutConfig = RolloutConfig()
    learner: LearnerConfig = LearnerConfig()
    control: ControlConfig = ControlConfig()
    alarms: AlarmsConfig = AlarmsConfig()
    metrics: tuple[str, ...] = ()
    """Metrics of pyiqa, by its names (`liqe`, `musiq`, ...), measured on held-out crops beside the offline panel."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Free labels, copied to summary.json."""

    @model_validator(mode="after")
    def _groups_can_be_trained(self) -> Self:
        if self.reward.min_scored > (candidates := self.rollout.candidates):
            raise ValueError(f"reward.min_scored: {self.reward.min_scored} of rollout.candidates {candidates}")
        return self

    @model_validator(mode="after")
    def _windows_show_most(self) -> Self:
        if 2 * self.reward.window_shift > self.data.crop:
            raise ValueError(f"reward.window_shift: at most half of data.crop {self.data.crop}")
        return self

    @model_validator(mode="after")
    def _flow_grpo_can_work(self) -> Self:
        objective, steps = self.objective, self.sampler.steps
        if objective.kind == "flow_grpo" and objective.old_policy.at != "sampler":
            raise ValueError("objective.old_policy.at: flow_grpo needs `sampler`; its ratio is to who sampled")
        if objective.noisy_steps > steps - 2:
            raise ValueError(f"objective.timesteps: flow_grpo takes at most {steps - 2} of sampler.steps {steps}")
        return self

    @model_validator(mode="after")
    def _can_be_watched(self) -> Self:
        least = max(LEAST_WATCHED, LEAST_WATCHED_LR * self.data.scale)
        if self.alarms.every and self.data.crop < least:
            raise ValueError(f"alarms: watched crops need data.crop >= {least}, got {self.data.crop}; or every=0")
        return self

    @model_validator(mode="after")
    def _judge_can_be_refreshed(self) -> Self:
        if self.stages.refresh is not None and (fault := self._refresh_fault()):
            raise ValueError(fault)
        return self

    def _refresh_fault(self) -> str | None:
        needed = {
            "stages.fr_rl.steps": self.stages.fr_rl.steps,
            "stages.nr_rl.steps": self.stages.nr_rl.steps,
            "control.kept_pictures": self.control.kept_pictures,
        }
        for name, value in needed.items():
            if value < 1:
                return f"{name}: stages.refresh needs at least 1: NR-RL's judge learns the pictures of FR-RL"
        if self.reward.endpoint is not None:
            return "reward.endpoint: stages.refresh cannot exchange a judge that is served elsewhere"
        if self.judge.class_path is not None:
            return "judge.class_path: stages.refresh trains a Qwen3-VL checkpoint, not a class"
        return None

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        fault = generator_fault(self.data, self.sampler, self.generator.path)
        if not self.reward.endpoint:  # a judge elsewhere has bounds of its own
            fault = fault or judge_fault(self.data, self.judge, self.rollout.candidates, self.reward.window_shift)
        if fault:
            raise ValueError(fault)
        return self


def load_profile(path: Path | str, overrides: list[str] | None = None) -> RunConfig:
    """Read a YAML profile; `overrides` are dotted assignments such as `control.max_staleness=0`.

    Raises BadConfig with one line that names the file and the field.
    """
    return read_config(RunConfig, path, overrides)
