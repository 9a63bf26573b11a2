"""Config of `oars compass curate`: which inputs, which enhancers, how they are spread over a cluster.

The paper's COMPASS-20K is 800 DIV2K images degraded Real-ESRGAN-style plus 1,600 real low-quality images, times 12
SR methods (three are named). Splits, sizes and the enhancers of the laptop profile are ours.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, StringConstraints, model_validator

from oars.config.base import Config
from oars.config.cluster import ResourcesConfig
from oars.config.degradation import DegradationConfig, Strengths
from oars.config.generator import GeneratorConfig, SamplerConfig
from oars.config.loading import read_config
from oars.config.sizes import generator_token

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$")]
Family = Literal["regression", "generative"]
FULL_SIZE = "full-size"


class CountsConfig(Config):
    """Number of inputs by split. A split is a set of photos, never of crops."""

    train: NonNegativeInt = 0
    """Inputs from the train photos."""
    validation: NonNegativeInt = 0
    """Inputs from the train photos that `validation` names, for early stopping."""
    evaluation: NonNegativeInt = 0
    """Inputs from the evaluation photos."""


class SyntheticConfig(Config):
    """Inputs with a ground truth: degraded crops."""

    photos: tuple[str, ...] = ("packages", "wallpapers", "backgrounds")
    """Sources as in `data.photos`; those that are not installed are left out."""
    counts: CountsConfig = CountsConfig()
    """Number of inputs."""
    strength: Strengths = (1.0, 1.0)
    """Bounds of a uniform draw. 1 is the published Real-ESRGAN degradation, 0 only reduces the size; in between every
    range shrinks in proportion (ours)."""
    degradation: DegradationConfig = DegradationConfig()


class RealConfig(Config):
    """Inputs without a ground truth: pixels as they are."""

    photos: tuple[str, ...] = (FULL_SIZE,)
    """Folders of low-quality images, and `full-size`: the full-size pixels of those photos in `synthetic.photos` that
    are soft and noisy there."""
    counts: CountsConfig = CountsConfig()
    """Number of inputs."""


class _EnhancerConfig(Config):
    name: Name
    """Column of the data set; also part of file names."""
    licence: str = ""
    """Licence of the enhancer's pictures; known for the built-in ones."""
    pool: Name = "default"
    """Entry of `pools` that runs the enhancer."""


class ClassicalConfig(_EnhancerConfig):
    """A filter without weights."""

    kind: Literal["classical"]
    method: Literal["bicubic", "lanczos", "unsharp", "back_projection", "tv_sharpen", "nonlocal_sharpen"]
    """Name of the filter."""
    family: Family = "regression"
    """Family of the method: the evaluation reports pairs of each family apart."""


class NetworkConfig(_EnhancerConfig):
    """A pretrained network out of an installed package (requirements/enhancers.txt); scale 4."""

    kind: Literal["network"]
    network: Literal["x4plus", "x4plus-anime", "animevideov3", "dat-light"]
    """Name of the network."""
    family: Family = "generative"
    """Real-ESRGAN's networks are trained against a discriminator; DAT-light is a regression."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the arithmetic."""


class GeneratorEnhancerConfig(_EnhancerConfig):
    """A generator in diffusers' format: ours, a run's SFT or aligned weights, or the full-size one."""

    kind: Literal["generator"]
    family: Family = "generative"
    """Family of the method: the evaluation reports pairs of each family apart."""
    generator: GeneratorConfig = GeneratorConfig()
    sampler: SamplerConfig = SamplerConfig()
    weights: Path | None = None
    """Transformer directory in place of the generator's own, such as `runs/<run>/aligned`."""
    strength: PositiveFloat = 1.0
    """Factor on what the sample adds to the bicubic LR: below 1 is timid, above 1 hallucinates (ours)."""
    seed: NonNegativeInt = 0
    """Seed of the initial noise. Two enhancers with different seeds draw different samples."""


class FolderConfig(_EnhancerConfig):
    """Outputs made elsewhere: `<input_id>.png` for every input (see `oars compass curate --export`)."""

    kind: Literal["folder"]
    family: Family
    """Family of the method: the evaluation reports pairs of each family apart."""
    path: Path
    """Folder of the outputs."""


class CallableConfig(_EnhancerConfig):
    """A Python function, called as function(lr uint8 [h, w, 3], scale, seed) -> uint8 [H, W, 3]."""

    kind: Literal["callable"]
    family: Family
    """Family of the method: the evaluation reports pairs of each family apart."""
    target: Annotated[str, StringConstraints(pattern=r"^[\w.]+:\w+$")]
    """Dotted path, `package.module:function`."""
    version: str = ""
    """Any text. Changing it redoes this enhancer's shards; a change of the function's code alone does not."""


class ArtefactsConfig(_EnhancerConfig):
    """Random artefacts on partly restored pictures (oars/compass/data/artefacts.py); synthetic inputs only."""

    kind: Literal["artefacts"]
    family: Family = "generative"
    """Family of the method: the evaluation reports pairs of each family apart."""
    seed: NonNegativeInt = 0
    """Seed of the artefacts."""


EnhancerConfig = Annotated[
    ClassicalConfig | NetworkConfig | GeneratorEnhancerConfig | FolderConfig | CallableConfig | ArtefactsConfig,
    Field(discriminator="kind"),
]


class PoolConfig(Config):
    """A pool of Ray actors that run enhancers; each loads one enhancer at a time."""

    actors: PositiveInt = 2
    """Number of actors."""
    resources: ResourcesConfig = ResourcesConfig()
    """Resources of one actor."""


class CurationConfig(Config):
    """Everything that a data set's pictures depend on, and how they are made."""

    name: str = "compass"
    """Name in the manifest and the data card."""
    seed: NonNegativeInt = 0
    """Seed of every draw."""
    scale: PositiveInt = 4
    """Enlargement factor."""
    crop: PositiveInt = 512
    """Side of GT and SR, pixels."""
    validation: tuple[str, ...] = ()
    """Names of train photos that the judge's training leaves out, for early stopping."""
    synthetic: SyntheticConfig = SyntheticConfig()
    """Inputs with a ground truth."""
    real: RealConfig = RealConfig()
    """Inputs without one."""
    enhancers: tuple[EnhancerConfig, ...] = Field(min_length=2)
    """Methods that enhance every input; at least two."""
    batch: PositiveInt = 8
    """Pictures that a network enhances at once."""
    shard: PositiveInt = 32
    """Inputs in a shard, the unit that is complete or redone after a kill."""
    pools: dict[str, PoolConfig] = Field(default_factory=lambda: {"default": PoolConfig()})
    """Actor pools by name."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [enhancer.name for enhancer in self.enhancers]
        if len(set(names)) < len(names):
            raise ValueError(f"two enhancers have the name {max(names, key=names.count)!r}")
        for enhancer in self.enhancers:
            if enhancer.pool not in self.pools:
                raise ValueError(f"enhancer {enhancer.name!r} wants pool {enhancer.pool!r}, which `pools` lacks")
        if self.crop % self.scale:
            raise ValueError(f"crop {self.crop} is no multiple of scale {self.scale}")
        for enhancer in self.enhancers:
            if isinstance(enhancer, GeneratorEnhancerConfig) and self.crop % (
                token := generator_token(enhancer.generator.path)
            ):
                raise ValueError(f"crop: {self.crop} is no multiple of {token}, which enhancer {enhancer.name!r} needs")
        return self


def load_curation(path: Path | str, overrides: list[str] | None = None) -> CurationConfig:
    """Raises BadConfig with one line that names the file and the field."""
    return read_config(CurationConfig, path, overrides)
