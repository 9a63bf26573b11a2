"""Messages to and from COMPASS: one schema behind every gateway.

Inside the cluster a request is a `ScoreHeader` beside the pictures as numpy arrays (or object references to them);
outside, `HttpScoreRequest` carries the same header with lossless pictures in base64, and proto/compass.proto has the
same fields for gRPC. A request is idempotent: its id names the work, so a retry under the next attempt number may
repeat it without harm.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat

from oars.compass.calibrated import Basis
from oars.compass.outcome import JudgeOutcome
from oars.config import JudgeConfig
from reward_server.errors import BadRequest

API_VERSION: Literal[1] = 1
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


class HttpScoreRequest(ScoreHeader):
    """The same over HTTP."""

    lr: str
    """PNG or lossless WebP in base64."""
    candidates: list[str] = Field(min_length=1)
    """K pictures in the same form, all of one size."""
    deadline_s: PositiveFloat | None = Field(default=None, allow_inf_nan=False)
    """Seconds after which nobody waits for the answer: the work is cancelled. Default, and most: the gateway's."""


class Provenance(_Wire):
    """Origin of a group's readings."""

    judge_digest: str | None
    """SHA-256 of the judge's checkpoint, or of its class; None where the endpoint does not tell (an OpenAI-compatible
    server)."""
    prompt_version: str | None
    """None for a judge that is a class."""
    basis: Basis | None = None
    """What the scale of the readings stands on; None for a judge that is a class."""
    calibration_digest: str | None = None
    """SHA-256 of the calibration, if the readings were mapped by one."""
    replica: str
    """Name of the judge: the Serve replica, or the model and address of an OpenAI-compatible server."""
    attempt: int
    seconds: float
    """Seconds in the replica, from its acceptance of the request to its answer."""
    decode_s: float | None = None
    """Seconds at the gateway for decoding the pictures; None for calls by handle."""
    gateway_s: float | None = None
    """Seconds at the gateway from the request's last byte to its answer; None for calls by handle."""


class ScoreResponse(_Wire):
    """K outcomes, in the order of the candidates."""

    request_id: str
    outcomes: list[JudgeOutcome]
    """Readings, or why there are none. What makes a reward of them is the caller's: oars/compass/reward.py."""
    provenance: Provenance | None
    """None if no replica answered."""


class Description(_Wire):
    """The description of a COMPASS."""

    api_version: Literal[1] = API_VERSION
    judge_digest: str | None
    prompt_version: str | None
    basis: Basis | None = None
    readings: tuple[str, ...]
    """Names of the numbers that it reads of a candidate."""
    min_pixels: int
    max_pixels: int
    """Bounds on the area of a picture that it accepts."""
    max_candidates: int

    @classmethod
    def of(
        cls,
        judge: JudgeConfig,
        judge_digest: str | None,
        prompt_version: str | None,
        readings: Iterable[str],
        basis: Basis | None = None,
    ) -> Self:
        return cls(
            judge_digest=judge_digest,
            prompt_version=prompt_version,
            basis=basis,
            readings=tuple(readings),
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


def check_count(candidates: int, limit: int) -> None:
    """Raises BadRequest if there are too few or too many candidates."""
    if not 1 <= candidates <= limit:
        raise BadRequest(f"candidates: {candidates}, expected 1 to {limit}")
