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
    __slots__ = ("request_id", "attempt", "api_version", "lr", "candidates")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    LR_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    attempt: int
    api_version: int
    lr: Picture
    candidates: _containers.RepeatedCompositeFieldContainer[Picture]
    def __init__(self, request_id: _Optional[str] = ..., attempt: _Optional[int] = ..., api_version: _Optional[int] = ..., lr: _Optional[_Union[Picture, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[Picture, _Mapping]]] = ...) -> None: ...

class Judged(_message.Message):
    __slots__ = ("readings",)
    class ReadingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    READINGS_FIELD_NUMBER: _ClassVar[int]
    readings: _containers.ScalarMap[str, float]
    def __init__(self, readings: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Failed(_message.Message):
    __slots__ = ("reason", "detail")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: FailureReason
    detail: str
    def __init__(self, reason: _Optional[_Union[FailureReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("judged", "failed")
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    judged: Judged
    failed: Failed
    def __init__(self, judged: _Optional[_Union[Judged, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ...) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("judge_digest", "prompt_version", "replica", "attempt", "seconds", "decode_s", "gateway_s", "basis", "calibration_digest")
    JUDGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PROMPT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    DECODE_S_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_S_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    judge_digest: str
    prompt_version: str
    replica: str
    attempt: int
    seconds: float
    decode_s: float
    gateway_s: float
    basis: str
    calibration_digest: str
    def __init__(self, judge_digest: _Optional[str] = ..., prompt_version: _Optional[str] = ..., replica: _Optional[str] = ..., attempt: _Optional[int] = ..., seconds: _Optional[float] = ..., decode_s: _Optional[float] = ..., gateway_s: _Optional[float] = ..., basis: _Optional[str] = ..., calibration_digest: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("api_version", "judge_digest", "prompt_version", "readings", "min_pixels", "max_pixels", "max_candidates", "basis")
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    JUDGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PROMPT_VERSION_FIELD_NUMBER: _ClassVar[int]
    READINGS_FIELD_NUMBER: _ClassVar[int]
    MIN_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    api_version: int
    judge_digest: str
    prompt_version: str
    readings: _containers.RepeatedScalarFieldContainer[str]
    min_pixels: int
    max_pixels: int
    max_candidates: int
    basis: str
    def __init__(self, api_version: _Optional[int] = ..., judge_digest: _Optional[str] = ..., prompt_version: _Optional[str] = ..., readings: _Optional[_Iterable[str]] = ..., min_pixels: _Optional[int] = ..., max_pixels: _Optional[int] = ..., max_candidates: _Optional[int] = ..., basis: _Optional[str] = ...) -> None: ...
