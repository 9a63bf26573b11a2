"""Config of `oars compass annotate`: anchors, comparisons, aggregation, calibration, fidelity, explanations."""

from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from oars.config.base import Config
from oars.config.compass import JudgeConfig
from oars.config.curation import PoolConfig
from oars.config.loading import read_config

Stage = Literal["measurements", "anchors", "comparisons", "labels", "explanations"]
STAGES: tuple[Stage, ...] = ("measurements", "anchors", "comparisons", "labels", "explanations")


class VlmConfig(Config):
    """A multimodal model of the Qwen-VL family behind vLLM, such as Q-Insight (Qwen2.5-VL)."""

    engine: JudgeConfig
    """Its directory, and the engine's settings: the same keys as for serving a judge. `resources` is of one engine."""
    engines: PositiveInt = 1
    question: str = ""
    """What it is asked; empty: a wording of ours (oars/compass/annotation/vlm.py). Give the one that it was trained
    with."""
    max_tokens: PositiveInt = 512
    """Of a rating; a reasoning model thinks before it rates."""


Sourced = TypeVar("Sourced", bound="AnchorsConfig | ComparisonsConfig")


def _with_model(config: Sourced, stage: str) -> Sourced:
    if config.source == "vlm" and config.vlm is None:
        raise ValueError(f"{stage}.source is vlm: name the model in {stage}.vlm.engine.path")
    return config


class AnchorsConfig(Config):
    """Stage 1: how good each picture is by itself, 1..5 (paper: Q-Insight)."""

    source: Literal["measured", "predicted", "vlm"] = "measured"
    """`measured`: ColorVideoVDP and ST-LPIPS against GT, and `predicted` where there is none; `predicted`: from the
    picture alone, by a regression onto `measured` (ours); `vlm`: Q-Insight."""
    vlm: VlmConfig | None = None

    @model_validator(mode="after")
    def _names_its_model(self) -> Self:
        return _with_model(self, "anchors")


class ComparisonsConfig(Config):
    """Stage 2: which of two outputs of one input looks better (paper: a comparator trained on DiffIQA)."""

    source: Literal["measured", "vlm"] = "measured"
    """`measured`: a logistic of the difference of the metrics below against GT, or of what a regression on the
    difference of two pictures' features says where there is none (ours); `vlm`: a comparator."""
    stlpips_weight: float = Field(default=1.0, ge=0)
    """ST-LPIPS was trained on people's choices between two pictures: it leads."""
    cvvdp_weight: float = Field(default=0.5, ge=0)
    """ColorVideoVDP sees the noise and halos that ST-LPIPS forgives."""
    vlm: VlmConfig | None = None

    @model_validator(mode="after")
    def _names_its_model(self) -> Self:
        return _with_model(self, "comparisons")


class FidelityConfig(Config):
    """F of the pairs that have a GT (paper: DISTS, normalised to [0, 1])."""

    source: Literal["auto", "dists", "metrics"] = "auto"
    """`dists` through pyiqa; `metrics`: ST-LPIPS, structure and colour (oars/compass/annotation/labels.py); `auto`:
    DISTS where its weights are on this machine."""


class ExplanationsConfig(Config):
    """Why a label is what it is, in words, by a larger model behind an OpenAI-compatible endpoint.

    The paper's is Qwen3-VL-32B."""

    url: str
    """Such as http://host:8000/v1."""
    model: str
    max_tokens: PositiveInt = 200
    timeout_s: PositiveFloat = 120.0
    concurrency: PositiveInt = 8


class AnnotationConfig(Config):
    """Everything that labels depend on beside the pictures."""

    anchors: AnchorsConfig = AnchorsConfig()
    comparisons: ComparisonsConfig = ComparisonsConfig()
    aggregation: Literal["thurstone", "bradley_terry"] = "thurstone"
    """Of a group's comparisons into one rank each; Thurstone is case V (the paper names neither)."""
    prior: PositiveFloat = 0.1
    """Precision of the Gaussian prior on the scores, so that a method that wins always stays finite."""
    max_conflict: float = Field(default=0.7, ge=0, le=2)
    """A group whose ranks and anchors have a correlation below 1 - this is dropped (ours)."""
    verdicts: Path | None = None
    """YAML of input_id: keep | drop, by a person who looked at review.html; it overrules."""
    fidelity: FidelityConfig = FidelityConfig()
    explanations: ExplanationsConfig | None = None
    pool: PoolConfig = PoolConfig()
    """Who measures."""


def load_annotation(path: Path | str, overrides: list[str] | None = None) -> AnnotationConfig:
    """Raises BadConfig with one line that names the file and the field."""
    return read_config(AnnotationConfig, path, overrides)
