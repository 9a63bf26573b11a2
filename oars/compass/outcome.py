"""The outcome of one candidate: a score or a typed failure, never a sentinel number."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class FailureReason(StrEnum):
    """Reason why a candidate has no score. Also the label of the `oars_candidates` metric."""

    BAD_IMAGE = "bad_image"
    NON_FINITE = "non_finite"
    LOW_CONFIDENCE = "low_confidence"
    ENGINE_ERROR = "engine_error"
    DEADLINE = "deadline"
    UNAVAILABLE = "unavailable"


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scored(_Wire):
    """A judged transition. `confidence` is the probability mass on score tokens, the least over the three slots."""

    kind: Literal["scored"] = "scored"
    fidelity: float = Field(ge=0, le=1)
    q_lr: float = Field(ge=1, le=5)
    q_sr: float = Field(ge=1, le=5)
    reward: float = Field(allow_inf_nan=False)
    confidence: float = Field(ge=0, le=1.0001)


class Failed(_Wire):
    """A transition without a score, and why."""

    kind: Literal["failed"] = "failed"
    reason: FailureReason
    detail: str = ""


CandidateOutcome = Annotated[Scored | Failed, Field(discriminator="kind")]
