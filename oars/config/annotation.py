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
    """Model directory and engine settings: the same keys as for serving a judge. `resources` is for one engine."""
    engines: PositiveInt = 1
    """Engines that work side by side."""
    question: str = ""
    """Prompt text. Empty: our wording (oars/compass/annotation/vlm.py). Give the text that the model was trained
    with."""
    max_tokens: PositiveInt = 512
    """Longest answer, tokens. A reasoning model needs room to think before it rates."""


Sourced = TypeVar("Sourced", bound="AnchorsConfig | ComparisonsConfig")


def _with_model(config: Sourced, stage: str) -> Sourced:
    if config.source == "vlm" and config.vlm is None:
        raise ValueError(f"{stage}.source is vlm: name the model in {stage}.vlm.engine.path")
    return config


class AnchorsConfig(Config):
    """Stage 1: an absolute quality of each picture, 1..5 (paper: Q-Insight)."""

    source: Literal["measured", "predicted", "vlm"] = "measured"
    """`measured`: ColorVideoVDP and ST-LPIPS against GT, `predicted` where there is no GT. `predicted`: a regression
    from the picture alone onto `measured` (ours). `vlm`: a multimodal model such as Q-Insight."""
    vlm: VlmConfig | None = None
    """The model; required when `source` is `vlm`."""

    @model_validator(mode="after")
    def _names_its_model(self) -> Self:
        return _with_model(self, "anchors")


class ComparisonsConfig(Config):
    """Stage 2: which of two outputs of one input looks better (paper: a comparator trained on DiffIQA)."""

    source: Literal["measured", "vlm"] = "measured"
    """`measured`: a logistic of the difference of two metrics against GT; without GT, of a regression on the difference
    of the two pictures' features (ours). `vlm`: a multimodal comparator."""
    stlpips_weight: float = Field(default=1.0, ge=0)
    """Weight of ST-LPIPS. It leads because it was trained on people's choices between two pictures."""
    cvvdp_weight: float = Field(default=0.5, ge=0)
    """Weight of ColorVideoVDP, which sees noise and halos that ST-LPIPS forgives."""
    vlm: VlmConfig | None = None
    """The comparator; required when `source` is `vlm`."""

    @model_validator(mode="after")
    def _names_its_model(self) -> Self:
        return _with_model(self, "comparisons")


class FidelityConfig(Config):
    """Fidelity F of the pairs that have a GT (paper: DISTS, normalised to [0, 1])."""

    source: Literal["auto", "dists", "metrics"] = "auto"
    """`dists`: DISTS through pyiqa. `metrics`: ST-LPIPS, structure and colour (oars/compass/annotation/labels.py).
    `auto`: DISTS if its weights are on this machine, else `metrics`."""


class ExplanationsConfig(Config):
    """Written reasons for the labels, by a larger model behind an OpenAI-compatible endpoint (paper: Qwen3-VL-32B)."""

    url: str
    """Base address of the endpoint, such as http://host:8000/v1."""
    model: str
    """Name of the model at the endpoint."""
    max_tokens: PositiveInt = 200
    """Longest explanation, tokens."""
    timeout_s: PositiveFloat = 120.0
    """Deadline of one request, seconds."""
    concurrency: PositiveInt = 8
    """Requests under way at once."""


class AnnotationConfig(Config):
    """Everything that labels depend on beside the pictures."""

    anchors: AnchorsConfig = AnchorsConfig()
    """Stage 1."""
    comparisons: ComparisonsConfig = ComparisonsConfig()
    """Stage 2."""
    aggregation: Literal["thurstone", "bradley_terry"] = "thurstone"
    """Model that turns a group's comparisons into one rank for each output. Thurstone is case V. The paper names
    neither (ours)."""
    prior: PositiveFloat = 0.1
    """Precision of the Gaussian prior on the scores. It keeps the score of a method that always wins finite."""
    max_conflict: float = Field(default=0.7, ge=0, le=2)
    """Groups whose ranks and anchors correlate below 1 minus this are dropped (ours)."""
    verdicts: Path | None = None
    """YAML file of `input_id: keep | drop`, by a person who looked at review.html; overrules the rules."""
    fidelity: FidelityConfig = FidelityConfig()
    explanations: ExplanationsConfig | None = None
    pool: PoolConfig = PoolConfig()
    """Ray actors that measure the pictures."""


def load_annotation(path: Path | str, overrides: list[str] | None = None) -> AnnotationConfig:
    """Raises BadConfig with one line that names the file and the field."""
    return read_config(AnnotationConfig, path, overrides)
