from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FailureReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_REASON_UNSPECIFIED: _ClassVar[FailureReason]
    BAD_IMAGE: _ClassVar[FailureReason]
    NON_FINITE: _ClassVar[FailureReason]
    LOW_CONFIDENCE: _ClassVar[FailureReason]
    ENGINE_ERROR: _ClassVar[FailureReason]
    DEADLINE: _ClassVar[FailureReason]
    UNAVAILABLE: _ClassVar[FailureReason]
FAILURE_REASON_UNSPECIFIED: FailureReason
BAD_IMAGE: FailureReason
NON_FINITE: FailureReason
LOW_CONFIDENCE: FailureReason
ENGINE_ERROR: FailureReason
DEADLINE: FailureReason
UNAVAILABLE: FailureReason

class Picture(_message.Message):
    __slots__ = ("encoded", "raw")
    ENCODED_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    encoded: bytes
    raw: Raw
    def __init__(self, encoded: _Optional[bytes] = ..., raw: _Optional[_Union[Raw, _Mapping]] = ...) -> None: ...

class Raw(_message.Message):
    __slots__ = ("height", "width", "rgb")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    RGB_FIELD_NUMBER: _ClassVar[int]
    height: int
    width: int
    rgb: bytes
    def __init__(self, height: _Optional[int] = ..., width: _Optional[int] = ..., rgb: _Optional[bytes] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("request_id", "attempt", "api_version", "lr", "candidates", "fidelity", "gamma", "explain")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    LR_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    FIDELITY_FIELD_NUMBER: _ClassVar[int]
    GAMMA_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    attempt: int
    api_version: int
    lr: Picture
    candidates: _containers.RepeatedCompositeFieldContainer[Picture]
    fidelity: _containers.RepeatedScalarFieldContainer[float]
    gamma: float
    explain: bool
    def __init__(self, request_id: _Optional[str] = ..., attempt: _Optional[int] = ..., api_version: _Optional[int] = ..., lr: _Optional[_Union[Picture, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[Picture, _Mapping]]] = ..., fidelity: _Optional[_Iterable[float]] = ..., gamma: _Optional[float] = ..., explain: _Optional[bool] = ...) -> None: ...

class Scored(_message.Message):
    __slots__ = ("fidelity", "q_lr", "q_sr", "reward", "confidence")
    FIDELITY_FIELD_NUMBER: _ClassVar[int]
    Q_LR_FIELD_NUMBER: _ClassVar[int]
    Q_SR_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    fidelity: float
    q_lr: float
    q_sr: float
    reward: float
    confidence: float
    def __init__(self, fidelity: _Optional[float] = ..., q_lr: _Optional[float] = ..., q_sr: _Optional[float] = ..., reward: _Optional[float] = ..., confidence: _Optional[float] = ...) -> None: ...

class Failed(_message.Message):
    __slots__ = ("reason", "detail")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: FailureReason
    detail: str
    def __init__(self, reason: _Optional[_Union[FailureReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("scored", "failed", "judged_fidelity", "unexplained")
    SCORED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIDELITY_FIELD_NUMBER: _ClassVar[int]
    UNEXPLAINED_FIELD_NUMBER: _ClassVar[int]
    scored: Scored
    failed: Failed
    judged_fidelity: float
    unexplained: Unexplained
    def __init__(self, scored: _Optional[_Union[Scored, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ..., judged_fidelity: _Optional[float] = ..., unexplained: _Optional[_Union[Unexplained, _Mapping]] = ...) -> None: ...

class Unexplained(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("judge_digest", "prompt_version", "formula", "gamma", "replica", "attempt", "seconds", "decode_s", "gateway_s")
    JUDGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PROMPT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FORMULA_FIELD_NUMBER: _ClassVar[int]
    GAMMA_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    DECODE_S_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_S_FIELD_NUMBER: _ClassVar[int]
    judge_digest: str
    prompt_version: str
    formula: str
    gamma: float
    replica: str
    attempt: int
    seconds: float
    decode_s: float
    gateway_s: float
    def __init__(self, judge_digest: _Optional[str] = ..., prompt_version: _Optional[str] = ..., formula: _Optional[str] = ..., gamma: _Optional[float] = ..., replica: _Optional[str] = ..., attempt: _Optional[int] = ..., seconds: _Optional[float] = ..., decode_s: _Optional[float] = ..., gateway_s: _Optional[float] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("request_id", "outcomes", "provenance")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    outcomes: _containers.RepeatedCompositeFieldContainer[Outcome]
    provenance: Provenance
    def __init__(self, request_id: _Optional[str] = ..., outcomes: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Description(_message.Message):
    __slots__ = ("api_version", "judge_digest", "prompt_version", "formula", "gamma", "min_pixels", "max_pixels", "max_candidates")
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    JUDGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PROMPT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FORMULA_FIELD_NUMBER: _ClassVar[int]
    GAMMA_FIELD_NUMBER: _ClassVar[int]
    MIN_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    api_version: int
    judge_digest: str
    prompt_version: str
    formula: str
    gamma: float
    min_pixels: int
    max_pixels: int
    max_candidates: int
    def __init__(self, api_version: _Optional[int] = ..., judge_digest: _Optional[str] = ..., prompt_version: _Optional[str] = ..., formula: _Optional[str] = ..., gamma: _Optional[float] = ..., min_pixels: _Optional[int] = ..., max_pixels: _Optional[int] = ..., max_candidates: _Optional[int] = ...) -> None: ...
