"""What travels to and from COMPASS.

Inside the cluster a request is a `ScoreHeader` beside the pictures as numpy arrays (or object references to them);
outside, `HttpScoreRequest` carries the same header with lossless pictures in base64. A request is idempotent: its id
names the work, so a retry under the next attempt number may repeat it without harm.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from oars.compass.outcome import CandidateOutcome

API_VERSION: Literal[1] = 1


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ScoreHeader(_Wire):
    """All of a request but its pictures: one LR and its K candidates."""

    request_id: str = Field(min_length=1, max_length=256)
    attempt: int = Field(default=0, ge=0)
    api_version: Literal[1] = API_VERSION
    fidelity: tuple[float, ...] | None = None
    """K values in [0, 1] that replace the judge's F in the formula: in FR-RL they are computed from GT. A value that
    is not finite fails its candidate."""
    gamma: PositiveFloat | None = None
    """Replaces the served gamma of the formula."""


class HttpScoreRequest(ScoreHeader):
    """The same over HTTP."""

    lr: str
    """PNG or lossless WebP in base64."""
    candidates: list[str] = Field(min_length=1)
    """K pictures in the same form, all of one size."""


class Provenance(_Wire):
    """Where a group's scores come from."""

    judge_digest: str
    """SHA-256 of the judge's checkpoint."""
    prompt_version: str
    gamma: float
    replica: str
    attempt: int
    seconds: float
    """From the replica's acceptance of the request to its answer."""


class ScoreResponse(_Wire):
    """K outcomes, in the order of the candidates."""

    request_id: str
    outcomes: list[CandidateOutcome]
    judged_fidelity: list[float | None]
    """The judge's own F of each candidate, also where the request's replaced it; None without a reading."""
    provenance: Provenance | None
    """None if no replica answered."""


class Readiness(_Wire):
    """What a replica that is ready says of itself."""

    judge_digest: str
    prompt_version: str
    max_pixels: int
    """Largest area of a picture that it accepts."""
