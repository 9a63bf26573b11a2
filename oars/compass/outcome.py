"""Outcomes of one candidate: the judge reads it, the reward function scores it, or it fails with a reason.

Judged(readings) | Failed(reason)          what a judge answers
Scored(readings, reward) | Failed(reason)  what a run goes on with

There is never a sentinel number.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
Readings = dict[str, Finite]
"""Numbers that a judge reads of a candidate, by name; those of COMPASS: oars/compass/formula.py."""


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


class Judged(_Wire):
    """A candidate's readings."""

    kind: Literal["judged"] = "judged"
    readings: Readings


class Scored(_Wire):
    """A candidate with its reward R, and the readings that R was made of."""

    kind: Literal["scored"] = "scored"
    readings: Readings
    reward: Finite


class Failed(_Wire):
    """A candidate without a score, and why."""

    kind: Literal["failed"] = "failed"
    reason: FailureReason
    detail: str = ""


JudgeOutcome = Annotated[Judged | Failed, Field(discriminator="kind")]
CandidateOutcome = Annotated[Scored | Failed, Field(discriminator="kind")]
