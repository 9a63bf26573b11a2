"""compass.proto and the schema say the same, and the checked-in Python is what the proto's own command makes."""

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from oars.compass.outcome import Failed, FailureReason, Judged
from reward_server.proto import compass_pb2 as pb
from reward_server.proto.convert import read_description, read_response, write_description, write_response
from reward_server.schema import Description, Provenance, ScoreHeader, ScoreResponse

ROOT = Path(__file__).parents[4]
PROTO = "reward_server/proto/compass.proto"

finite = st.floats(-100, 100)
judged = st.builds(Judged, readings=st.dictionaries(st.text(max_size=8), finite, max_size=4))
failed = st.builds(Failed, reason=st.sampled_from(FailureReason), detail=st.text(max_size=20))
provenances = st.builds(
    Provenance,
    judge_digest=st.none() | st.text(max_size=5),
    decode_s=st.none() | finite,
    gateway_s=st.none() | finite,
    prompt_version=st.none() | st.text(max_size=5),
    seconds=finite,
    attempt=st.integers(0, 2**31 - 1),
)


def test_the_checked_in_python_is_up_to_date(tmp_path: Path) -> None:
    out = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", "-I.", *out, PROTO], cwd=ROOT, check=True)
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 3
    for path in made:
        assert path.read_text() == (ROOT / path.relative_to(tmp_path)).read_text(), path.name


def test_messages_have_the_fields_of_the_schema() -> None:
    def fields(message: type) -> set[str]:
        return {field.name for field in message.DESCRIPTOR.fields}  # type: ignore[attr-defined]

    assert fields(pb.ScoreRequest) == {*ScoreHeader.model_fields, "lr", "candidates"}
    assert fields(pb.Judged) == {*Judged.model_fields} - {"kind"}
    assert fields(pb.Failed) == {*Failed.model_fields} - {"kind"}
    assert fields(pb.Provenance) == {*Provenance.model_fields}
    assert fields(pb.Description) == {*Description.model_fields}
    assert {name for name in pb.FailureReason.keys() if "UNSPECIFIED" not in name} == {*FailureReason.__members__}  # noqa: SIM118


@given(st.lists(judged | failed, max_size=5), st.none() | provenances)
def test_a_response_survives_the_wire(outcomes: list[Judged | Failed], provenance: Provenance | None) -> None:
    response = ScoreResponse(request_id="a", outcomes=outcomes, provenance=provenance)
    data = write_response(response).SerializeToString()
    assert read_response(pb.ScoreResponse.FromString(data)) == response


def test_a_reason_of_a_newer_service_is_still_a_failure() -> None:
    message = pb.ScoreResponse(request_id="a", outcomes=[pb.Outcome(failed=pb.Failed(reason=99, detail="new"))])  # type: ignore[arg-type]
    [outcome] = read_response(pb.ScoreResponse.FromString(message.SerializeToString())).outcomes
    assert isinstance(outcome, Failed) and outcome.detail == "new"


def test_a_description_survives_the_wire() -> None:
    description = Description(
        judge_digest=None, prompt_version=None, readings=("a", "b"), min_pixels=1, max_pixels=2**40, max_candidates=3
    )
    assert (
        read_description(pb.Description.FromString(write_description(description).SerializeToString())) == description
    )
