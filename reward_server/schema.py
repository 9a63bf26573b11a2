"""Messages to and from COMPASS: one schema behind every gateway.

Inside the cluster a request is a `ScoreHeader` beside the pictures as numpy arrays (or object references to them);
outside, `HttpScoreRequest` carries the same header with lossless pictures in base64, and proto/compass.proto has the
same fields for gRPC. A request is idempotent: its id names the work, so a retry under the next attempt number may
repeat it without harm.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat

from oars.compass.outcome import CandidateOutcome
from oars.compass.prompt import PROMPT_VERSION
from oars.config import JudgeConfig
from reward_server.errors import BadRequest

API_VERSION: Literal[1] = 1
# Version of the arithmetic in oars/compass/formula.py.
REWARD_FORMULA = "compass-1: R = F * Q_LR + F^(Q_LR / gamma) * (Q_SR - Q_LR)"
MAX_ATTEMPT = 2**31 - 1


def _whole(value: Any) -> Any:
    """JSON knows no integers: 1.0 is one too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ScoreHeader(_Wire):
    """All of a request but its pictures: one LR and its K candidates."""

    request_id: str = Field(min_length=1, max_length=256, pattern=r"^[!-~]+$")
    """Printable ASCII without spaces; names the work in logs and answers."""
    attempt: Whole = Field(default=0, ge=0, le=MAX_ATTEMPT)
    api_version: Whole = Field(default=API_VERSION, ge=API_VERSION, le=API_VERSION)
    fidelity: tuple[float, ...] | None = None
    """K values in [0, 1] that replace the judge's F in the formula: in FR-RL they are computed from GT. A value that
    is not finite fails its candidate."""
    gamma: PositiveFloat | None = Field(default=None, allow_inf_nan=False)
    """Replaces the served gamma of the formula."""
    explain: bool = False
    """Ask for the judge's reasons."""


class HttpScoreRequest(ScoreHeader):
    """The same over HTTP."""

    lr: str
    """PNG or lossless WebP in base64."""
    candidates: list[str] = Field(min_length=1)
    """K pictures in the same form, all of one size."""
    deadline_s: PositiveFloat | None = Field(default=None, allow_inf_nan=False)
    """Seconds after which nobody waits for the answer: the work is cancelled. Default, and most: the gateway's."""


class Provenance(_Wire):
    """Origin of a group's scores."""

    judge_digest: str | None
    """SHA-256 of the judge's checkpoint; None where the endpoint does not tell (an OpenAI-compatible server)."""
    prompt_version: str
    formula: str = REWARD_FORMULA
    gamma: float
    replica: str
    """Name of the scorer: the Serve replica, or the model and address of an OpenAI-compatible server."""
    attempt: int
    seconds: float
    """Seconds in the replica, from its acceptance of the request to its answer."""
    decode_s: float | None = None
    """Seconds at the gateway for decoding the pictures; None for calls by handle."""
    gateway_s: float | None = None
    """Seconds at the gateway from the request's last byte to its answer; None for calls by handle."""


class Unexplained(_Wire):
    """Asked for its reasons, the judge gives none, and why."""

    kind: Literal["unexplained"] = "unexplained"
    reason: Literal["judge_not_trained_to_explain"] = "judge_not_trained_to_explain"


class ScoreResponse(_Wire):
    """K outcomes, in the order of the candidates."""

    request_id: str
    outcomes: list[CandidateOutcome]
    judged_fidelity: list[float | None]
    """The judge's own F of each candidate, also where the request's replaced it; None without a reading."""
    provenance: Provenance | None
    """None if no replica answered."""
    explanations: list[Unexplained] | None = None
    """One a candidate, where the request asked for them."""


class Description(_Wire):
    """The description of a COMPASS."""

    api_version: Literal[1] = API_VERSION
    judge_digest: str | None
    prompt_version: str
    formula: str = REWARD_FORMULA
    gamma: float
    min_pixels: int
    max_pixels: int
    """Bounds on the area of a picture that it accepts."""
    max_candidates: int

    @classmethod
    def of(cls, judge: JudgeConfig, judge_digest: str | None) -> Self:
        return cls(
            judge_digest=judge_digest,
            prompt_version=PROMPT_VERSION,
            gamma=judge.reward.gamma,
            min_pixels=judge.min_pixels,
            max_pixels=judge.max_pixels,
            max_candidates=judge.max_candidates,
        )


class Liveness(_Wire):
    """A gateway's word on itself, or on the judge behind it."""

    status: Literal["alive", "ready"]


class Problem(_Wire):
    """Reason why a request was refused."""

    error: str
    """A `Refusal`."""
    detail: str
    retry_after_s: float | None = None
    """Seconds to wait before a retry, if a retry can help."""


def check_counts(header: ScoreHeader, candidates: int, limit: int) -> None:
    """Raises BadRequest if the number of candidates, or of fidelities for them, is wrong."""
    if not 1 <= candidates <= limit:
        raise BadRequest(f"candidates: {candidates}, expected 1 to {limit}")
    if header.fidelity is not None and len(header.fidelity) != candidates:
        raise BadRequest(f"fidelity: {len(header.fidelity)} values for {candidates} candidates")
