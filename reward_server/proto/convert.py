"""Converts between the messages of compass.proto and the schema."""

from google.protobuf.message import DecodeError
from pydantic import ValidationError

from oars.compass.outcome import Failed, FailureReason, Judged, JudgeOutcome
from oars.imaging.image_io import Pixels
from reward_server.errors import BadRequest
from reward_server.pictures import Sent, bad_image, from_raw
from reward_server.proto import compass_pb2 as pb
from reward_server.schema import API_VERSION, Description, Provenance, ScoreHeader, ScoreResponse

_REASONS: dict[int, FailureReason] = {pb.FailureReason.Value(reason.name): reason for reason in FailureReason}
_OPTIONAL = ("judge_digest", "prompt_version", "basis", "calibration_digest", "decode_s", "gateway_s")


def read_request(data: bytes) -> tuple[ScoreHeader, Sent, list[Sent]]:
    """Header, LR and candidates of a serialised ScoreRequest. Raises BadRequest."""
    try:
        message = pb.ScoreRequest.FromString(data)
    except DecodeError as error:
        raise BadRequest("not a ScoreRequest") from error
    if not message.candidates:
        raise BadRequest("candidates: none")
    try:
        header = ScoreHeader(
            request_id=message.request_id,
            attempt=message.attempt,
            api_version=message.api_version or API_VERSION,
        )
    except ValidationError as error:
        raise BadRequest(describe_errors(error)) from error
    candidates = [_picture(picture, f"candidate {k}") for k, picture in enumerate(message.candidates)]
    return header, _picture(message.lr, "LR"), candidates


def describe_errors(error: ValidationError) -> str:
    """One line naming each field and what is wrong with it."""
    parts = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors(include_input=False)]
    return "; ".join(parts)


def write_request(header: ScoreHeader, lr: Pixels, candidates: list[Pixels]) -> pb.ScoreRequest:
    """Pictures uint8 [H, W, 3] travel raw: lossless without the time of an encoder."""
    return pb.ScoreRequest(
        request_id=header.request_id,
        attempt=header.attempt,
        api_version=header.api_version,
        lr=_raw(lr),
        candidates=[_raw(pixels) for pixels in candidates],
    )


def write_response(response: ScoreResponse) -> pb.ScoreResponse:
    provenance = response.provenance.model_dump(exclude_none=True) if response.provenance else None
    return pb.ScoreResponse(
        request_id=response.request_id,
        outcomes=[_write_outcome(outcome) for outcome in response.outcomes],
        provenance=provenance and pb.Provenance(**provenance),
    )


def read_response(message: pb.ScoreResponse) -> ScoreResponse:
    return ScoreResponse(
        request_id=message.request_id,
        outcomes=[_read_outcome(outcome) for outcome in message.outcomes],
        provenance=Provenance(**_fields(message.provenance)) if message.HasField("provenance") else None,
    )


def write_description(description: Description) -> pb.Description:
    return pb.Description(**description.model_dump(exclude_none=True))


def read_description(message: pb.Description) -> Description:
    return Description(**_fields(message))


def _fields(message: pb.Provenance | pb.Description) -> dict[str, object]:
    """All fields by name; one that is optional and not set is None."""
    names = [field.name for field in message.DESCRIPTOR.fields]
    unset = {name for name in names if name in _OPTIONAL and not message.HasField(name)}
    return {name: None if name in unset else getattr(message, name) for name in names}


def _picture(picture: pb.Picture, name: str) -> Sent:
    form = picture.WhichOneof("form")
    if form == "encoded":
        return picture.encoded
    if form == "raw":
        return from_raw(picture.raw.rgb, picture.raw.height, picture.raw.width, name)
    return bad_image(f"{name}: neither encoded nor raw")


def _raw(pixels: Pixels) -> pb.Picture:
    height, width = pixels.shape[:2]
    return pb.Picture(raw=pb.Raw(height=height, width=width, rgb=pixels.tobytes()))


def _write_outcome(outcome: JudgeOutcome) -> pb.Outcome:
    if isinstance(outcome, Judged):
        return pb.Outcome(judged=pb.Judged(readings=outcome.readings))
    return pb.Outcome(failed=pb.Failed(reason=outcome.reason.name, detail=outcome.detail))


def _read_outcome(message: pb.Outcome) -> JudgeOutcome:
    if message.WhichOneof("kind") == "judged":
        return Judged(readings=dict(message.judged.readings))
    # A reason that is newer than this client is still a failure.
    reason = _REASONS.get(message.failed.reason, FailureReason.ENGINE_ERROR)
    return Failed(reason=reason, detail=message.failed.detail)
